// The page: reads the form, makes key, request and file (credentials.js), sends (sending.js), keeps what must outlive a reload
// (kept.js), and tells everything in the words of the page.

import { belongsTo, certificatesOf, certificationRequest, makeKeys, pemOf, pkcs12 } from "./credentials.js";
import { NAMES, faultOf, normal, passphraseFault, strengthOf } from "./inputs.js";
import * as kept from "./kept.js";
import { Lost, Refusal, send } from "./sending.js";

const at = (id) => document.getElementById(id);
const words = JSON.parse(at("words").textContent);
const english = document.documentElement.lang === "en";
const tokyo = new Intl.DateTimeFormat(english ? "en-CA" : "ja-JP", { timeZone: "Asia/Tokyo", dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(english ? "en-GB" : "ja-JP", { timeZone: "Asia/Tokyo", timeStyle: "short" });
const STEPS = ["key", "send", "check", "file"];
const SECTIONS = ["form", "progress", "done", "finished"];

const say = (text, facts = {}) => text.replace(/\{(\w+)\}/g, (_, name) => facts[name]);
const show = (section) => {
  for (const name of SECTIONS) at(name).hidden = name !== section;
  at("others").hidden = at("lead").hidden = section !== "form";
  at("unfinished").hidden = section !== "form" || !at("unfinished-list").childElementCount;
};

// ---- The form ----

const tellFault = (id, text) => {
  const [element, place] = [at(id), at(`${id}-fault`)];
  place.textContent = text;
  place.hidden = !text;
  element.closest(".field").classList.toggle("bad", Boolean(text));
  if (text) element.setAttribute("aria-invalid", "true");
  else element.removeAttribute("aria-invalid");
  return text;
};

const officeFault = () => {
  const [first, office] = [at("auth_code_1"), at("office_code")];
  if (faultOf(first, words) || faultOf(office, words)) return "";
  return normal(first.value).slice(0, 3) === normal(office.value).slice(0, 3) ? "" : words.office_differs;
};
const faultAt = {
  passphrase: () => passphraseFault(at("passphrase").value, words),
  passphrase_again: () => (at("passphrase").value === at("passphrase_again").value ? "" : words.passphrase_differs),
  office_code: () => faultOf(at("office_code"), words) || officeFault(),
};
for (const name of NAMES) faultAt[name] ??= () => faultOf(at(name), words);
const FIELDS = [...NAMES, "passphrase", "passphrase_again"];

// Nobody is told off while still typing: a fault shows when the field is left, and goes as soon as it is mended.
const watch = (id) => {
  at(id).addEventListener("change", () => at(id).value && tellFault(id, faultAt[id]()));
  at(id).addEventListener("input", () => at(`${id}-fault`).hidden || tellFault(id, faultAt[id]()));
};

const showStrength = () => {
  const passphrase = at("passphrase").value;
  at("passphrase-strength").textContent = passphraseFault(passphrase, words) ? "" : words[`strength_${strengthOf(passphrase)}`];
};

const showPassphrase = () => {
  for (const id of ["passphrase", "passphrase_again"]) at(id).type = at("visible").checked ? "text" : "password";
};

// ---- Progress and endings ----

const tellStep = (step, sentence) => {
  for (const [place, name] of STEPS.entries()) {
    const [item, current] = [at(`step-${name}`), STEPS.indexOf(step)];
    item.className = place < current ? "past" : place === current ? "now" : "next";
    if (place === current) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  at("progress-sentence").textContent = sentence;
};

const tellRefusal = (title, sentence, advice = "") => {
  show("form");
  at("refusal-title").textContent = title;
  at("refusal-sentence").textContent = sentence;
  at("refusal-advice").textContent = advice;
  at("refusal-advice").hidden = !advice;
  at("refusal").hidden = false;
  at("refusal").focus();
};

const tellProblem = ({ problem, retryAfter }) => {
  // A time of day is easier to act on than the sentence's seconds.
  const again = retryAfter ? say(words.again_at, { time: clock.format(Date.now() + retryAfter * 1000) }) : "";
  const sentence = english ? problem.title_en : problem.title;
  tellRefusal(words.refused_title, sentence, again || words.advice[problem.code] || "");
};

// A pause before the question is asked again; it ends early when somebody says so or the network is back.
const pause = (seconds, count) =>
  new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      at("now").hidden = true;
      at("now").onclick = null;
      tellStep("send", words.sending);
      resolve();
    };
    const timer = setTimeout(end, seconds * 1000);
    tellStep("send", say(words.no_answer, { seconds, count }));
    addEventListener("online", end);
    at("now").onclick = end;
    at("now").hidden = false;
  });

let shownFile = null;

const showFile = (record, note = "") => {
  const { terminal, notBefore, notAfter, file } = record;
  const later = new Date(notBefore) > new Date() ? words.starts_later : "";
  if (shownFile) URL.revokeObjectURL(shownFile);
  shownFile = URL.createObjectURL(new Blob([file], { type: "application/x-pkcs12" }));
  at("done-terminal").textContent = terminal;
  at("done-period").textContent = `${tokyo.format(new Date(notBefore))} – ${tokyo.format(new Date(notAfter))}`;
  at("done-note").textContent = `${note} ${later}`.trim();
  at("done-note").hidden = !(note || later);
  at("download").href = shownFile;
  at("download").download = `${terminal}.p12`;
  at("download").onclick = () => {
    record.saved = true;
    at("confirm-status").textContent = "";
    kept.keep(record);
  };
  at("confirm-status").textContent = "";
  at("confirm").onclick = () => confirm(record);
  show("done");
  at("done-title").focus();
};

const confirm = async ({ id, saved }) => {
  if (!saved) {
    at("confirm-status").textContent = words.unsaved;
    return;
  }
  await kept.forget(id);
  URL.revokeObjectURL(shownFile);
  shownFile = null;
  await listUnfinished();
  show("finished");
  at("finished-title").focus();
};

// ---- What an earlier visit left behind ----

const listUnfinished = async () => {
  const items = (await kept.attempts()).map((record) => {
    const item = at(record.file ? "unfinished-file" : "unfinished-key").content.firstElementChild.cloneNode(true);
    if (record.file) {
      item.querySelector(".code").textContent = record.terminal;
      item.querySelector("span").textContent = tokyo.format(record.begun);
      item.querySelector("button").onclick = () => showFile(record, words.saved_before);
    } else {
      item.querySelector("span").textContent = say(words.pending, { time: tokyo.format(record.begun) });
      item.querySelector("button").onclick = () => kept.forget(record.id).then(listUnfinished);
    }
    return item;
  });
  at("unfinished-list").replaceChildren(...items);
  at("unfinished").hidden = !items.length || at("form").hidden;
};

// ---- The retrieval itself ----

const keyFor = async (id) => {
  const known = await kept.get(id);
  if (known) {
    tellStep("key", words.resumed);
    return { attempt: known, isFresh: false };
  }
  const attempt = { id, begun: Date.now(), keys: await makeKeys() };
  await kept.keep(attempt); // before anybody hears of the key
  return { attempt, isFresh: true };
};

const fileOf = async (attempt, answer, passphrase) => {
  tellStep("check", words.checking);
  const certificates = [...certificatesOf(answer.certificate), ...certificatesOf(answer.chain)];
  if (!(await belongsTo(certificates[0], attempt.keys))) return null;
  tellStep("file", words.making_file);
  const file = await pkcs12({ keys: attempt.keys, certificates, name: answer.terminal, passphrase });
  return { terminal: answer.terminal, notBefore: answer.not_before, notAfter: answer.not_after, file };
};

const retrieve = async (id, codes, passphrase) => {
  const { attempt, isFresh } = await keyFor(id);
  if (attempt.file) return showFile(attempt, words.saved_before);
  const csr = pemOf("CERTIFICATE REQUEST", await certificationRequest(attempt.keys));
  tellStep("send", words.sending);
  let answer;
  try {
    ({ answer } = await send({ ...codes, csr }, pause));
  } catch (error) {
    // A key that was refused at its first and only sending has no certificate and never will.
    if (error instanceof Refusal && isFresh && error.count === 0) await kept.forget(id);
    throw error;
  }
  const made = await fileOf(attempt, answer, passphrase);
  if (!made) return tellRefusal(words.refused_title, words.foreign);
  // The record is written over: from here on only the file, under its passphrase, holds the key.
  const record = { id, begun: attempt.begun, ...made };
  await kept.keep(record);
  clear();
  return showFile(record);
};

const clear = () => {
  at("form").reset();
  for (const id of FIELDS) {
    at(id).value = "";
    tellFault(id, "");
  }
  showStrength();
  showPassphrase();
};

const tellFailure = (error) => {
  if (error instanceof Refusal) tellProblem(error);
  else if (error instanceof Lost) tellRefusal(words.lost_title, words.lost);
  else tellRefusal(words.refused_title, words.failed);
};

let isBusy = false;

const submit = async (event) => {
  event.preventDefault();
  if (isBusy) return;
  at("refusal").hidden = true;
  const wrong = FIELDS.filter((id) => tellFault(id, faultAt[id]()));
  if (wrong.length) {
    at(wrong[0]).focus();
    return;
  }
  isBusy = true;
  const codes = Object.fromEntries(NAMES.map((name) => [name, normal(at(name).value)]));
  show("progress");
  tellStep("key", words.making_key);
  at("progress-title").focus();
  try {
    const id = await kept.idOf(codes.access_key);
    const passphrase = at("passphrase").value;
    await kept.alone(id, () => tellStep("key", words.other_tab), () => retrieve(id, codes, passphrase));
  } catch (error) {
    tellFailure(error);
  } finally {
    isBusy = false;
    await listUnfinished();
  }
};

for (const id of FIELDS) watch(id);
at("passphrase").addEventListener("input", showStrength);
at("visible").addEventListener("change", showPassphrase);
at("form").addEventListener("submit", submit);
addEventListener("beforeunload", (event) => {
  // Otherwise nothing is lost, and nobody is held up.
  if (!kept.outlivesReload && (isBusy || shownFile)) event.preventDefault();
});
document.body.classList.add("begun");
if (globalThis.crypto?.subtle) {
  at("unable").hidden = true;
  at("not-kept").hidden = kept.outlivesReload;
  show("form");
  await listUnfinished();
}
