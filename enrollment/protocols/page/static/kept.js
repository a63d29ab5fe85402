// What outlives a reload: a key whose certificate is not there yet, then the finished file, which its passphrase protects.
// Codes are never kept. A record is found by a slow hash of its access key, which can not be guessed back in useful time.

const LIFETIME = 24 * 60 * 60 * 1000;
const ROUNDS = 200_000;
const STORE = "attempts";
const memory = new Map();

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const open = () => {
  const request = indexedDB.open("tegata-retrieval", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
  return done(request);
};

let database = null;
try {
  database = await open();
} catch {
  // A private window, perhaps: then the page must stay open, and says so.
}
export const outlivesReload = database !== null;

const store = (mode) => database.transaction(STORE, mode, { durability: "strict" }).objectStore(STORE);
// A write counts when its transaction has ended, not when it was asked for.
const written = async (write) => {
  const records = store("readwrite");
  write(records);
  await new Promise((resolve, reject) => {
    records.transaction.oncomplete = resolve;
    records.transaction.onerror = records.transaction.onabort = () => reject(records.transaction.error);
  });
};

export const get = async (id) => (database ? done(store("readonly").get(id)) : memory.get(id));
export const keep = async (record) => (database ? written((records) => records.put(record)) : memory.set(record.id, record));
export const forget = async (id) => (database ? written((records) => records.delete(id)) : memory.delete(id));

// All records that are young enough, oldest first; the others end here.
export const attempts = async () => {
  const all = database ? await done(store("readonly").getAll()) : [...memory.values()];
  const young = all.filter((record) => Math.abs(Date.now() - record.begun) < LIFETIME);
  await Promise.all(all.filter((record) => !young.includes(record)).map((record) => forget(record.id)));
  return young.sort((a, b) => a.begun - b.begun);
};

export const idOf = async (accessKey) => {
  const encoder = new TextEncoder();
  const secret = await crypto.subtle.importKey("raw", encoder.encode(accessKey), "PBKDF2", false, ["deriveBits"]);
  const salt = encoder.encode(`tegata retrieval ${location.origin}`);
  const bits = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations: ROUNDS }, secret, 256);
  return [...new Uint8Array(bits)].map((octet) => octet.toString(16).padStart(2, "0")).join("");
};

// One tab at a time works on an access key; `waiting` is called when another one does.
export const alone = async (id, waiting, work) => {
  if (!navigator.locks) return work();
  const name = `tegata-retrieval-${id}`;
  const free = await navigator.locks.request(name, { ifAvailable: true }, async (lock) => lock && { result: await work() });
  if (free) return free.result;
  waiting();
  return navigator.locks.request(name, work);
};
