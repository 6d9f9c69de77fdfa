// What the page does without asking the server: sliders, reasons that open, pasting, copying.
(() => {
  const open = (chip) => {
    const reasons = chip.closest('.reasons');
    const wanted = chip.getAttribute('aria-expanded') !== 'true';
    for (const other of reasons.querySelectorAll('button.chip')) other.setAttribute('aria-expanded', 'false');
    for (const other of reasons.querySelectorAll('.detail')) other.hidden = true;
    const spot = document.querySelector('.morelli .spot');
    if (spot) spot.hidden = true;
    if (!wanted) return;
    chip.setAttribute('aria-expanded', 'true');
    const detail = document.getElementById(chip.getAttribute('aria-controls'));
    const map = document.querySelector(`[data-map="${CSS.escape(detail.dataset.instrument)}"]`);
    if (map) {
      detail.querySelector('figure img').src = map.src;
      detail.querySelector('figure').hidden = false;
    }
    detail.hidden = false;
    if (spot && chip.dataset.place) {
      spot.style.cssText = chip.dataset.place;
      spot.hidden = false;
    }
  };

  document.addEventListener('click', (event) => {
    const chip = event.target.closest('button.chip');
    if (chip) open(chip);
  });

  document.addEventListener('input', (event) => {
    const viewer = event.target.closest('[data-viewer]');
    if (!viewer) return;
    const { name, value } = event.target;
    if (name === 'wipe') viewer.style.setProperty('--wipe', `${value}%`);
    if (name === 'strength') viewer.style.setProperty('--strength', value / 100);
  });

  // A picture that is pasted anywhere but into a text field is dropped into the upload field.
  document.addEventListener('paste', (event) => {
    const picture = [...event.clipboardData.files].find((file) => file.type.startsWith('image/'));
    const field = document.querySelector('#drop input[type=file]');
    if (!picture || !field) return;
    event.preventDefault();
    const files = new DataTransfer();
    files.items.add(picture);
    field.files = files.files;
    field.dispatchEvent(new Event('change', { bubbles: true }));
  }, true);

  // A file that was made when it was asked for.
  window.morelliSave = (path) => {
    const link = document.createElement('a');
    link.href = `gradio_api/file=${path.split('/').map(encodeURIComponent).join('/')}`;
    link.download = path.slice(path.lastIndexOf('/') + 1);
    document.body.append(link);
    link.click();
    link.remove();
  };

  window.morelliCopy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Outside of a secure context there is no clipboard; select and copy as of old.
      const field = document.createElement('textarea');
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand('copy');
      field.remove();
    }
    const button = document.querySelector('#copy');
    const label = button.textContent;
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = label; }, 1500);
  };
})();
