// One question to the center, asked until it is answered: the same codes with the same key get the same certificate, however
// often they come.

const PAUSES = [1, 2, 4, 8, 15, 30, 30]; // seconds
const PATIENCE = 30_000; // milliseconds for one answer
const ADDRESS = "/api/v1/retrievals";

// The center said no; `problem` is RFC 9457's object with its sentences, `retryAfter` the seconds to wait or 0.
export class Refusal extends Error {
  constructor(problem, retryAfter) {
    super(problem.code);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

// Nobody knows whether the center heard us.
export class Lost extends Error {}

const ask = async (body) => {
  const response = await fetch(ADDRESS, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  if (response.status < 500 && answer.code) throw new Refusal(answer, Number(response.headers.get("Retry-After")));
  throw new Lost(answer.code);
};

// `pause(seconds, count)` waits, and says so; it may end early.
export const send = async (body, pause) => {
  for (let count = 0; ; count += 1) {
    try {
      return { answer: await ask(body), count };
    } catch (error) {
      if (error instanceof Refusal) throw Object.assign(error, { count });
      if (count === PAUSES.length) throw new Lost();
      await pause(PAUSES[count], count + 2);
    }
  }
};
