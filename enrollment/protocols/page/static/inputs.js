// What somebody types: its normal form (as enrollment/codes.py makes it) and what can be told wrong without asking anybody.

const SEPARATORS = /[ \t\-‐‑‒–—―−ー_.]/g;
export const NAMES = ["access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code"];
export const SHORTEST_PASSPHRASE = 12;

export const normal = (typed) => typed.normalize("NFKC").replace(SEPARATORS, "").trim().toUpperCase();

// Luhn, ISO/IEC 7812-1 annex B: the last digit follows from the others.
export const fitsCheckDigit = (digits) =>
  [...digits].reverse().reduce((sum, digit, place) => {
    const value = Number(digit) * (1 + (place % 2));
    return sum + (value > 9 ? value - 9 : value);
  }, 0) % 10 === 0;

// What is wrong with one input (its element carries the pattern), as a text; "" for nothing.
export const faultOf = (element, words) => {
  const value = normal(element.value);
  if (!value) return words.required;
  if (!new RegExp(`^(?:${element.dataset.pattern})$`).test(value)) return element.dataset.wrong;
  if (element.name === "access_key" && !fitsCheckDigit(value)) return words.check_digit;
  return "";
};

// Other programs (Java) refuse what is not printable ASCII.
export const passphraseFault = (passphrase, words) => {
  if (!passphrase) return words.required;
  if (!/^[ -~]*$/.test(passphrase)) return words.passphrase_letters;
  return passphrase.length < SHORTEST_PASSPHRASE ? words.passphrase_short : "";
};

// A hint, no judgement: how many different letters, of how many kinds, and how much repeats or merely counts on.
export const strengthOf = (passphrase) => {
  const letters = [...passphrase.toLowerCase()];
  const steps = letters.filter((letter, at) => at && Math.abs(letter.charCodeAt(0) - letters[at - 1].charCodeAt(0)) > 1).length;
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((kind) => kind.test(passphrase)).length;
  const points = Math.min(steps, 2 * new Set(letters).size) + 2 * kinds;
  return points < 13 ? "weak" : points < 20 ? "fair" : "strong";
};
