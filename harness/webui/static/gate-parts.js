'use strict';
/* Pieces of the page: each is built as elements and text, never as markup, since servers say some of what stands in it. */
const SVG = 'http://www.w3.org/2000/svg';

function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name in made && name !== 'list') made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((each) => each !== null && each !== undefined));
  return made;
}

function svg(tag, props = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function fill(target, ...children) {
  target.replaceChildren(...children);
}

const percent = (value) => {
  if (value === null || value === undefined) return '–';
  const tenths = Math.round(value * 1000) / 10 || 0; // never −0
  return `${tenths > 0 ? '+' : ''}${NUMBER.format(tenths)} %`;
};
const known = (value, told) => (value === null ? '–' : told(value));
const short = (value) => NUMBER.format(value >= 100 ? Math.round(value) : Math.round(value * 10) / 10);

/* Where a metric's bounds lie: zero left, its margin at two thirds, whatever the unit. */
function boundsFigure(finding) {
  const { estimate, low, high, margin } = finding.numbers;
  if (margin === null || estimate === null) return null;
  const width = 180, height = 22, span = 1.5 * Math.abs(margin) || 1;
  const x = (value) => Math.max(0, Math.min(width, ((value + span / 2) / (1.5 * span)) * width));
  const says = say('figure_says', { metric: finding.metric, change: finding.change, bounds: finding.bounds, margin: finding.margin });
  const figure = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': says });
  figure.append(
    svg('line', { class: 'axis', x1: 0, y1: 11, x2: width, y2: 11 }),
    svg('line', { class: 'zero', x1: x(0), y1: 4, x2: x(0), y2: 18 }),
    svg('line', { class: 'margin', x1: x(margin), y1: 1, x2: x(margin), y2: 21 }),
    svg('line', { class: 'interval', x1: x(low === null ? -Infinity : low), y1: 11, x2: x(high === null ? Infinity : high), y2: 11 }),
    svg('circle', { class: 'estimate', cx: x(estimate), cy: 11, r: 4 }),
  );
  return figure;
}

function findingsTable(findings) {
  const names = ['metric', 'baseline', 'candidate', 'change', 'bounds', 'margin', 'figure', 'decision'];
  const head = el('thead', {}, el('tr', {}, ...names.map((name) => el('th', { scope: 'col', textContent: say(name) }))));
  const body = el('tbody');
  for (const each of findings) {
    const cell = (name, extra = '') => el('td', { className: extra, 'data-name': say(name), textContent: each[name] });
    body.append(el('tr', {},
      el('td', { className: 'wide', textContent: each.metric }), cell('baseline'), cell('candidate'), cell('change'), cell('bounds'), cell('margin'),
      el('td', { className: 'figure' }, boundsFigure(each)),
      el('td', { className: `wide decision-${each.decision.replace(' ', '-')}`, textContent: `${each.sign} ${each.says}` })));
  }
  return findings.length ? el('table', { className: 'cards' }, head, body) : el('p', { className: 'soft', textContent: say('nothing_yet') });
}

/* One metric's difference in every pair so far. */
function pairsFigure(found) {
  const width = 340, height = 130, left = 44, values = found.differences.filter((value) => value !== null);
  const far = Math.max(Math.abs(found.margin || 0) * 1.3, ...values.map(Math.abs), Math.abs(found.low ?? 0), Math.min(Math.abs(found.high ?? 0), 3 * Math.abs(found.margin || 1)), 1e-6);
  const y = (value) => height / 2 - (Math.max(-far, Math.min(far, value)) / far) * (height / 2 - 8);
  const x = (index) => left + ((index + 0.5) / Math.max(found.differences.length, 6)) * (width - left - 6);
  const text = (value, at) => svg('text', { x: left - 6, y: at + 4, 'text-anchor': 'end' }, document.createTextNode(percent(value)));
  const says = say('pairs_says', { metric: found.metric, count: values.length, last: percent(values.at(-1)), estimate: percent(found.estimate), margin: percent(found.margin) });
  const figure = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': says });
  const low = found.low ?? -far, high = found.high ?? far;
  figure.append(
    svg('rect', { class: 'band', x: left, y: y(high), width: width - left, height: Math.max(1, y(low) - y(high)) }),
    svg('line', { class: 'zero', x1: left, y1: y(0), x2: width, y2: y(0) }), text(0, y(0)));
  if (found.margin !== null) figure.append(svg('line', { class: 'margin', x1: left, y1: y(found.margin), x2: width, y2: y(found.margin) }), text(found.margin, y(found.margin)));
  found.differences.forEach((value, index) => value !== null && figure.append(svg('circle', { class: 'dot', cx: x(index), cy: y(value), r: 3.5 })));
  return el('figure', { className: 'pair' }, el('figcaption', { textContent: found.metric }), figure);
}

/* One login: what it waited for, and each of its steps, on one time line. */
function loginCard(login) {
  const total = Math.max(login.took_ms, 0.001), width = 200;
  const x = (ms) => (Math.max(0, ms) / total) * width;
  const says = say('login_says', { took: login.took, steps: login.steps.map((each) => `${each.step} ${each.took}${each.status === 'ok' ? '' : ` ${each.status} ${each.code}`}`).join(', ') });
  const figure = el('div', { className: 'waterfall', role: 'img', 'aria-label': says });
  const line = (name, from, took, kind, text, title) => figure.append(
    el('span', { textContent: name, title }),
    svg('svg', { viewBox: `0 0 ${width} 10`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, svg('rect', { class: kind, x: x(from), y: 1, width: Math.max(1.5, x(took)), height: 8 })),
    el('span', { className: 'number', textContent: text }));
  if (login.waited_ms > 0.5) line(say('waited'), 0, login.waited_ms, 'bar-wait', `${short(login.waited_ms)} ms`, '');
  for (const each of login.steps) line(each.step, each.from_ms, each.took_ms, each.status === 'ok' ? 'bar-step' : 'bar-bad', `${each.status === 'ok' ? '' : '✗ '}${each.took}`, [each.server, each.status === 'ok' ? '' : `${each.status} ${each.code}`].filter(Boolean).join(' '));
  const head = `${login.took}${login.status === 'ok' ? '' : ` – ${login.status} ${login.code}`}${login.tries > 1 ? ` (×${login.tries})` : ''}`;
  return el('div', { className: 'login' }, el('p', {}, el('strong', { textContent: head })),
    el('p', { className: 'of', textContent: say('login_of', { ...login, at: duration(login.at_s) }) }), figure);
}

function failuresTable(failures, arms) {
  if (!failures.length) return el('p', { className: 'soft', textContent: say('none_failed') });
  const head = el('tr', {}, ...[say('step'), say('code'), ...arms.map((arm) => say(arm))].map((text) => el('th', { scope: 'col', textContent: text })));
  const rows = failures.map((each) => el('tr', {}, el('td', { textContent: each.step || '–' }), el('td', { textContent: each.code }), ...arms.map((arm) => el('td', { textContent: NUMBER.format(each.counts[arm] || 0) }))));
  return el('table', {}, el('thead', {}, head), el('tbody', {}, ...rows));
}

function facts(target, pairs) {
  fill(target, ...pairs.flatMap(([name, value]) => [el('dt', { textContent: name }), el('dd', { textContent: value })]));
}
