// What a page owes to everybody who reads it otherwise than the author: a list of breaches, one sentence each.
(() => {
  const told = [];
  const name = (e) => `<${e.tagName.toLowerCase()}> "${(e.textContent || '').trim().slice(0, 40)}"`;
  const seen = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden';
  const all = (query) => [...document.querySelectorAll(query)];
  if (!document.documentElement.lang) told.push('the page names no language');
  if (!document.title.trim()) told.push('the page has no title');
  if (all('main').length !== 1) told.push('there is not exactly one main part');
  if (all('h1').length !== 1) told.push('there is not exactly one heading of the first rank');
  let rank = 0;
  for (const h of all('h1,h2,h3,h4')) { const r = +h.tagName[1]; if (r > rank + 1) told.push(`${name(h)} skips a rank`); rank = r; }
  const ids = all('[id]').map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) told.push(`the id ${id} is given twice`);
  for (const e of all('a[href],button')) if (!(e.textContent.trim() || e.getAttribute('aria-label'))) told.push(`${name(e)} has no name`);
  for (const e of all('input:not([type=hidden]):not([hidden]),select')) if (!e.labels.length) told.push(`${name(e)} has no label`);
  for (const e of all('svg')) if (!e.closest('[role=img][aria-label]:not([aria-label=""])')) told.push('a picture has no words');
  for (const t of all('table')) if (!t.querySelector('thead th[scope=col]')) told.push('a table has no column headings');
  for (const e of all('th')) if (!e.scope) told.push(`${name(e)} heads nothing`);
  for (const e of all('*')) if (e.tabIndex > 0) told.push(`${name(e)} jumps the queue of the keyboard`);
  for (const nav of all('nav')) if (!nav.getAttribute('aria-label')) told.push('a navigation has no name');
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) told.push(`the page is ${wide} px wider than the window`);

  const part = (text) => { const n = text.match(/[\d.]+/g).map(Number); return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 }; };
  const light = (c) => [c.r, c.g, c.b].map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const paper = (e) => { for (; e; e = e.parentElement) { const c = part(getComputedStyle(e).backgroundColor); if (c.a === 1) return c; } return { r: 255, g: 255, b: 255 }; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const pairs = new Set();
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !seen(e) || e.closest('.vh,.skip,option')) continue;
    const [ink, on] = [light(part(getComputedStyle(e).color)), light(paper(e))];
    const ratio = (Math.max(ink, on) + 0.05) / (Math.min(ink, on) + 0.05);
    if (ratio < 4.5) pairs.add(`${name(e)} has a contrast of ${ratio.toFixed(2)}`);
    if (parseFloat(getComputedStyle(e).fontSize) < 11) pairs.add(`${name(e)} is smaller than 11 px`);
  }
  return told.concat([...pairs]);
})()
