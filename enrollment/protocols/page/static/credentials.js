// What the page makes of a key: a certification request (PKCS#10, RFC 2986) and, with the certificate, a PKCS#12 file
// (RFC 7292). DER of fixed shapes; all cryptography is the browser's own (WebCrypto). No DOM here.

const { subtle } = crypto;
const encoder = new TextEncoder();

// Each guess at a file's passphrase costs as many digests as its cheaper derivation takes. Windows and .NET refuse files beyond
// 300,000 rounds; the MAC's rounds are single calls of WebCrypto, so they are what a person waits for.
export const ROUNDS = { encryption: 300_000, mac: 20_000 };

const OID = {
  data: "1.2.840.113549.1.7.1",
  encryptedData: "1.2.840.113549.1.7.6",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  sha256: "2.16.840.1.101.3.4.2.1",
  hmacWithSha256: "1.2.840.113549.2.9",
  pbes2: "1.2.840.113549.1.5.13",
  pbkdf2: "1.2.840.113549.1.5.12",
  aes256Cbc: "2.16.840.1.101.3.4.1.42",
  certBag: "1.2.840.113549.1.12.10.1.3",
  shroudedKeyBag: "1.2.840.113549.1.12.10.1.2",
  x509Certificate: "1.2.840.113549.1.9.22.1",
  friendlyName: "1.2.840.113549.1.9.20",
  localKeyId: "1.2.840.113549.1.9.21",
};

// ---- DER ----

const join = (...parts) => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
};
const octetsOf = (number) => (number < 256 ? [number] : [...octetsOf(Math.floor(number / 256)), number % 256]);

export const der = (tag, ...contents) => {
  const body = join(...contents);
  const size = octetsOf(body.length);
  return join([tag], body.length < 128 ? size : [0x80 | size.length, ...size], body);
};
const sequence = (...items) => der(0x30, ...items);
const compare = (a, b) => {
  const at = a.findIndex((octet, index) => octet !== b[index]);
  return at < 0 ? a.length - b.length : a[at] - (b[at] ?? -1);
};
// X.690 §11.6: the members of a SET OF stand in the order of their encodings.
const setOf = (...items) => der(0x31, ...items.sort(compare));
const octetString = (octets) => der(0x04, octets);
const bitString = (octets) => der(0x03, [0], octets);
const explicit = (number, ...items) => der(0xa0 | number, ...items);
const nothing = der(0x05);
// A whole number from its octets, big end first: no needless zeros, and one where the first bit would read as a minus.
const integer = (octets) => {
  const first = octets.findIndex((octet) => octet !== 0);
  const least = first < 0 ? [0] : octets.slice(first);
  return der(0x02, least[0] & 0x80 ? [0] : [], least);
};
const number = (value) => integer(octetsOf(value));
const oid = (dotted) => {
  const [first, second, ...others] = dotted.split(".").map(Number);
  const digits = (value) => (value < 128 ? [value] : [...digits(value >> 7).map((octet) => octet | 0x80), value & 0x7f]);
  return der(0x06, ...[first * 40 + second, ...others].map(digits));
};
const bmpText = (text) => [...text].flatMap((letter) => [letter.charCodeAt(0) >> 8, letter.charCodeAt(0) & 0xff]);

// The element that begins at a position: its tag, where its content begins, and where it ends. Throws when octets lack.
const elementAt = (octets, at) => {
  let [size, begin] = [octets[at + 1], at + 2];
  if (size > 0x80) {
    begin += size & 0x7f;
    size = octets.slice(at + 2, begin).reduce((sum, octet) => sum * 256 + octet, 0);
  }
  if (!(begin + size <= octets.length)) throw new Error("cut off");
  return { tag: octets[at], begin, end: begin + size };
};

// ---- Keys and requests ----

export const makeKeys = () => subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);

// WebCrypto's r and s, 32 octets each, as X9.62's Ecdsa-Sig-Value.
export const signatureValue = (raw) => sequence(integer(raw.slice(0, 32)), integer(raw.slice(32)));

export const certificationRequest = async ({ publicKey, privateKey }) => {
  const spki = new Uint8Array(await subtle.exportKey("spki", publicKey));
  const content = sequence(number(0), sequence(), spki, explicit(0));
  const raw = new Uint8Array(await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, content));
  return sequence(content, sequence(oid(OID.ecdsaWithSha256)), bitString(signatureValue(raw)));
};

export const pemOf = (label, octets) => {
  const text = btoa(String.fromCharCode(...octets));
  return `-----BEGIN ${label}-----\n${text.replace(/.{64}(?=.)/g, "$&\n")}\n-----END ${label}-----\n`;
};

export const certificatesOf = (pem) =>
  [...pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g)].map(([, text]) =>
    Uint8Array.from(atob(text.replace(/\s/g, "")), (letter) => letter.charCodeAt(0)),
  );

// The subject's public key of a certificate (RFC 5280 §4.1), as it stands there.
export const publicKeyOf = (certificate) => {
  let at = elementAt(certificate, elementAt(certificate, 0).begin).begin;
  if (certificate[at] === 0xa0) at = elementAt(certificate, at).end;
  // serialNumber, signature, issuer, validity, subject
  for (let passed = 0; passed < 5; passed += 1) at = elementAt(certificate, at).end;
  return certificate.slice(at, elementAt(certificate, at).end);
};

export const belongsTo = async (certificate, { publicKey }) =>
  compare(publicKeyOf(certificate), new Uint8Array(await subtle.exportKey("spki", publicKey))) === 0;

// ---- PKCS#12 ----

const contentInfo = (type, content) => sequence(oid(type), explicit(0, content));
const attribute = (type, value) => sequence(oid(type), setOf(value));

// PBES2 (RFC 8018 §6.2): PBKDF2 with HMAC-SHA-256, AES-256 in CBC mode. Returns the algorithm and the ciphertext.
const encrypt = async (plain, passphrase, rounds) => {
  const [salt, iv] = [crypto.getRandomValues(new Uint8Array(16)), crypto.getRandomValues(new Uint8Array(16))];
  const secret = await subtle.importKey("raw", encoder.encode(passphrase), "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds };
  const key = await subtle.deriveKey(derivation, secret, { name: "AES-CBC", length: 256 }, false, ["encrypt"]);
  const prf = sequence(oid(OID.hmacWithSha256), nothing);
  const parameters = sequence(
    sequence(oid(OID.pbkdf2), sequence(octetString(salt), number(rounds), prf)),
    sequence(oid(OID.aes256Cbc), octetString(iv)),
  );
  const ciphertext = new Uint8Array(await subtle.encrypt({ name: "AES-CBC", iv }, key, plain));
  return [sequence(oid(OID.pbes2), parameters), ciphertext];
};

// RFC 7292 appendix B.2 for SHA-256 and its MAC key, which is one digest long: D || S || P, digested again and again.
export const macKey = async (passphrase, salt, rounds) => {
  const filled = (octets) => Uint8Array.from({ length: 64 * Math.ceil(octets.length / 64) }, (_, at) => octets[at % octets.length]);
  let digest = join(new Uint8Array(64).fill(3), filled(salt), filled([...bmpText(passphrase), 0, 0]));
  for (let round = 0; round < rounds; round += 1) digest = new Uint8Array(await subtle.digest("SHA-256", digest));
  return digest;
};

const authenticated = async (safe, passphrase, rounds) => {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const octets = await macKey(passphrase, salt, rounds);
  const key = await subtle.importKey("raw", octets, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = new Uint8Array(await subtle.sign("HMAC", key, safe));
  const digestInfo = sequence(sequence(oid(OID.sha256), nothing), octetString(mac));
  return sequence(digestInfo, octetString(salt), number(rounds));
};

// The file: our certificate first, then those above it, encrypted; the key, encrypted; a MAC over both.
export const pkcs12 = async ({ keys, certificates, name, passphrase, rounds = ROUNDS }) => {
  const keyId = new Uint8Array(await subtle.digest("SHA-256", certificates[0])).slice(0, 20);
  const ours = setOf(
    attribute(OID.friendlyName, der(0x1e, bmpText(name))),
    attribute(OID.localKeyId, octetString(keyId)),
  );
  const certBag = (certificate, place) => {
    const value = sequence(oid(OID.x509Certificate), explicit(0, octetString(certificate)));
    return sequence(oid(OID.certBag), explicit(0, value), place ? [] : ours);
  };
  const plainKey = new Uint8Array(await subtle.exportKey("pkcs8", keys.privateKey));
  const [keyAlgorithm, keyText] = await encrypt(plainKey, passphrase, rounds.encryption);
  plainKey.fill(0);
  const keyBag = sequence(oid(OID.shroudedKeyBag), explicit(0, sequence(keyAlgorithm, octetString(keyText))), ours);
  const [algorithm, text] = await encrypt(sequence(...certificates.map(certBag)), passphrase, rounds.encryption);
  const encrypted = sequence(number(0), sequence(oid(OID.data), algorithm, der(0x80, text)));
  const safe = sequence(
    contentInfo(OID.encryptedData, encrypted),
    contentInfo(OID.data, octetString(sequence(keyBag))),
  );
  const mac = await authenticated(safe, passphrase, rounds.mac);
  return sequence(number(3), contentInfo(OID.data, octetString(safe)), mac);
};
