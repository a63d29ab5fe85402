// Passkeys: forms with data-passkey ask the browser for one and send its answer in the field that data-field names.
// Pages work without this, by the codes of an app; the forms are hidden until it runs.
const decoded = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const encoded = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const named = (list) => (list ?? []).map((one) => ({ ...one, id: decoded(one.id) }));

async function asked(form) {
  const token = form.elements.form_token;
  const answer = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams({ [token.name]: token.value }) });
  if (!answer.ok) throw new Error(answer.status);
  const options = await answer.json();
  options.challenge = decoded(options.challenge);
  if (form.dataset.passkey === "get") {
    options.allowCredentials = named(options.allowCredentials);
    return navigator.credentials.get({ publicKey: options });
  }
  options.excludeCredentials = named(options.excludeCredentials);
  options.user.id = decoded(options.user.id);
  return navigator.credentials.create({ publicKey: options });
}

function written(credential) {
  const response = { clientDataJSON: encoded(credential.response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = encoded(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: encoded(credential.rawId), type: credential.type, response });
}

for (const block of document.querySelectorAll("[data-passkeys]")) block.hidden = !window.PublicKeyCredential;
for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const failed = form.querySelector("[role=alert]");
    failed.textContent = "";
    try {
      form.elements[form.dataset.field].value = written(await asked(form));
    } catch {
      failed.textContent = form.dataset.failed;
      return;
    }
    form.submit();
  });
}
