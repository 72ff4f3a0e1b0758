// What assistive technology and weak eyes need, in the spirit of axe: an expression that gives the list of faults.
() => {
  const problems = [];
  const name = (e) => (e.getAttribute('aria-label') || [...(e.getAttribute('aria-labelledby') || '').split(' ')]
    .map((id) => id && document.getElementById(id)?.textContent).join(' ').trim()
    || [...(e.labels || [])].map((l) => l.textContent).join(' ').trim() || e.textContent.trim());
  for (const e of document.querySelectorAll('button, a, input, dialog, section, [role]'))
    if (!name(e) && e.getAttribute('role') !== 'alert' && e.getAttribute('role') !== 'status')
      problems.push('no name: ' + e.outerHTML.slice(0, 90));
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  for (const id of ids) if (ids.filter((i) => i === id).length > 1) problems.push('id twice: ' + id);
  for (const e of document.querySelectorAll('[aria-labelledby],[aria-controls]'))
    for (const id of (e.getAttribute('aria-labelledby') || e.getAttribute('aria-controls')).split(' '))
      if (!document.getElementById(id)) problems.push('names nothing: ' + id);
  for (const e of document.querySelectorAll('img')) if (e.alt === null) problems.push('no alt: ' + e.src);
  for (const e of document.querySelectorAll('canvas, svg'))
    if (e.getAttribute('aria-hidden') !== 'true') problems.push('not hidden: ' + e.outerHTML.slice(0, 90));
  if (!document.documentElement.lang) problems.push('no language');
  if (document.querySelectorAll('h1').length !== 1) problems.push('not one h1');
  for (const e of document.querySelectorAll('main button, main input')) {
    const box = e.getBoundingClientRect();
    if (box.width && box.height && (box.height < 24 || box.width < 24)) problems.push('too small: ' + e.id);
  }
  const rgb = (c) => c.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  for (const e of document.querySelectorAll('.conversation *, .timing *, .top *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || e.disabled
      || e.closest(':disabled') || !e.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    let back = e;
    while (back && rgb(getComputedStyle(back).backgroundColor)[3] === 0) back = back.parentElement;
    const a = light(rgb(getComputedStyle(e).color));
    const b = light(rgb(getComputedStyle(back || document.body).backgroundColor));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) problems.push(`contrast ${ratio.toFixed(2)}: ${e.className || e.id} ${e.textContent.slice(0, 30)}`);
  }
  return problems;
}
