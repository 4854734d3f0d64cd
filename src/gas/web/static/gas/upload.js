// Sends a file by parts to the addresses that the service signs for them: its own, or the object
// store's. gasUpload.send gives the upload's id; the form then completes and submits it. A file
// that is sent again on the same page goes on where it broke off.
"use strict";

const gasUpload = (() => {
  const AT_ONCE = 3; // parts
  const WAITS_MS = [1000, 2000, 4000, 8000, 16000]; // between tries
  const begun = new WeakMap(); // file → its upload

  // `message` is for a person. `again`: another try may do.
  class Failure extends Error {
    constructor(message, status, again) {
      super(message);
      Object.assign(this, { status, again });
    }
  }

  const mayPass = (status) => status === 0 || status === 408 || status === 429 || status >= 500;

  async function persist(what, isOver = () => false) {
    for (const wait of [...WAITS_MS, null]) {
      try {
        return await what();
      } catch (failure) {
        if (!failure.again || wait === null || isOver()) throw failure;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  // The service's own JSON interface, by the page's session.
  function ask(service, method, path = "", body = undefined) {
    return persist(async () => {
      let answer;
      try {
        answer = await fetch(service.url + path, {
          method,
          headers: { "X-CSRFToken": service.csrf, "Content-Type": "application/json" },
          body: body && JSON.stringify(body),
        });
      } catch {
        throw new Failure("The service does not answer. Check the connection and try again.", 0, true);
      }
      const said = await answer.json().catch(() => ({}));
      if (answer.ok) return said;
      if (answer.status === 401) throw new Failure("You are signed out: reload this page.", 401, false);
      const sentence = [said.detail, said.hint].filter(Boolean).join(" ");
      // Too many uploads (429) is no matter of seconds.
      const again = mayPass(answer.status) && answer.status !== 429;
      throw new Failure(sentence || `The service answered ${answer.status}.`, answer.status, again);
    });
  }

  // XMLHttpRequest, since fetch does not tell how much is sent.
  function put(part, bytes, onSent) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const fail = () => {
        onSent(0);
        // 403: the address has expired, and the next try has another.
        const again = mayPass(request.status) || request.status === 403;
        const what = request.status ? `was refused (${request.status})` : "did not get through";
        reject(new Failure(`Part ${part.number} ${what}. Try again.`, request.status, again));
      };
      request.upload.addEventListener("progress", (event) => onSent(event.loaded));
      request.addEventListener("load", () => (request.status < 300 ? resolve() : fail()));
      request.addEventListener("error", fail);
      request.open(part.method, part.url);
      request.send(bytes);
    });
  }

  // The upload of `file`, and the parts of it that have come.
  async function open(file, service) {
    const known = begun.get(file);
    if (known) {
      try {
        const came = await ask(service, "GET", `/${known.id}/parts`);
        return { upload: { ...known, parts: [] }, came };
      } catch (failure) {
        if (failure.status !== 404 && failure.status !== 410) throw failure;
      }
    }
    const upload = await ask(service, "POST", "", { filename: file.name, size_bytes: file.size });
    begun.set(file, upload);
    return { upload, came: [] };
  }

  // Gives up all uploads of this person that wait to be submitted.
  async function discard(service) {
    for (const { id } of await ask(service, "GET")) await ask(service, "DELETE", `/${id}`);
  }

  // `service`: {url, csrf}; `onProgress` is told the bytes sent so far.
  async function send(file, service, onProgress) {
    const { upload, came } = await open(file, service);
    const sent = new Map(came.map((part) => [part.number, part.size_bytes]));
    const tell = () => onProgress([...sent.values()].reduce((sum, size) => sum + size, 0));
    const todo = [];
    for (let number = 1; number <= upload.part_count; number += 1) {
      if (!sent.has(number)) todo.push(number);
    }
    const addresses = new Map(upload.parts.map((part) => [part.number, part]));
    let failed = null;

    async function sendPart(number) {
      const start = (number - 1) * upload.part_bytes;
      const bytes = file.slice(start, start + upload.part_bytes);
      await persist(async () => {
        const fresh = async () => (await ask(service, "POST", `/${upload.id}/parts`, { numbers: [number] }))[0];
        const part = addresses.get(number) ?? (await fresh());
        addresses.delete(number);
        await put(part, bytes, (size) => {
          sent.set(number, Math.min(size, bytes.size));
          tell();
        });
      }, () => failed);
      sent.set(number, bytes.size);
      tell();
    }

    async function work() {
      try {
        while (todo.length && !failed) await sendPart(todo.shift());
      } catch (failure) {
        failed ??= failure; // the others end what they have under way
      }
    }
    tell();
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (failed) throw failed;
    return upload.id;
  }

  return { send, discard };
})();
