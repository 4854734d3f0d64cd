// The annotate page: shows what was chosen, refuses what the plan does not take before it is sent,
// and has upload.js send it. The server checks the same again. Without this script the form works as
// any form does.
"use strict";

(() => {
  const form = document.getElementById("annotate");
  const input = form.querySelector("input[type=file]");
  const about = document.getElementById("file-about");
  const submit = document.getElementById("submit");
  const progress = document.getElementById("upload-progress");
  const service = { url: form.dataset.uploadsUrl, csrf: form.elements.csrfmiddlewaretoken.value };
  const maxBytes = "maxBytes" in form.dataset ? Number(form.dataset.maxBytes) : Infinity;
  const UNITS = ["KB", "MB", "GB", "TB"];

  // As the filter `size` in templatetags/gas_format.py writes it.
  function size(bytes) {
    if (bytes < 1024) return `${bytes} byte${bytes === 1 ? "" : "s"}`;
    let amount = bytes, unit = -1;
    do {
      amount /= 1024;
      unit += 1;
    } while (amount >= 1023.95 && unit < UNITS.length - 1);
    const text = amount < 99.95 ? amount.toFixed(1).replace(/\.0$/, "") : amount.toFixed(0);
    return `${text} ${UNITS[unit]}`;
  }

  const exact = (bytes) => `${bytes.toLocaleString("en")} bytes`;

  function fault(file) {
    if (file.size === 0) return "This file is empty.";
    if (file.size > maxBytes) {
      return `Too large: the ${form.dataset.plan} plan takes up to ${size(maxBytes)} (${exact(maxBytes)}). ` +
        "Compress it (bgzip or gzip) or split it.";
    }
    return "";
  }

  // For a person whose uploads broke off too often, on this page or others.
  function discarder() {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "secondary outline small";
    button.textContent = "Discard them";
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await gasUpload.discard(service);
        show();
      } catch (failure) {
        show(failure);
      }
    });
    return button;
  }

  // `refusal`: why the service did not take the file, where it was sent.
  function show(refusal = null) {
    const file = input.files[0];
    const wrong = refusal ? refusal.message : file ? fault(file) : "";
    const tooLarge = refusal ? refusal.status === 413 && form.dataset.plansUrl : file && file.size > maxBytes;
    input.disabled = false;
    form.elements.upload.value = "";
    progress.hidden = true;
    about.replaceChildren();
    if (file) {
      const name = document.createElement("bdi");
      name.textContent = file.name;
      about.append(name, ` · ${size(file.size)} (${exact(file.size)})`);
      if (wrong) {
        const why = document.createElement("strong");
        why.textContent = wrong;
        about.append(document.createElement("br"), why);
        if (tooLarge) {
          const plans = document.createElement("a");
          plans.href = `${form.dataset.plansUrl}?size=${file.size}`;
          plans.textContent = "See the plans";
          about.append(" ", plans);
        }
        if (refusal?.status === 429) about.append(document.createElement("br"), discarder());
      }
    }
    input.toggleAttribute("aria-invalid", false);
    if (wrong) input.setAttribute("aria-invalid", "true");
    about.classList.toggle("wrong", wrong !== "");
    submit.disabled = !file || (wrong !== "" && !refusal);
    submit.textContent = "Annotate";
    submit.removeAttribute("aria-busy");
  }

  input.addEventListener("change", () => show());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = input.files[0];
    submit.disabled = input.disabled = true;
    submit.setAttribute("aria-busy", "true");
    submit.textContent = "Uploading";
    progress.hidden = false;
    progress.max = file.size;
    progress.value = 0;
    try {
      form.elements.upload.value = await gasUpload.send(file, service, (bytes) => (progress.value = bytes));
      HTMLFormElement.prototype.submit.call(form); // with the upload's id instead of the file
    } catch (failure) {
      show(failure);
    }
  });
  window.addEventListener("pageshow", () => show());
  show();
})();
