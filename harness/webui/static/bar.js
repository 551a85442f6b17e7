'use strict';
/* A bar above Locust's page that says what the test is doing: Locust has no word for preparing, nor for a plan that is done. */
(() => {
  const STYLE = `
    #authgate { font: 15px/1.4 system-ui, "Segoe UI", Roboto, Arial, sans-serif; padding: .5rem 1rem; background: #f4f6f8; color: #15202b; border-bottom: 1px solid #cdd5dc; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; align-items: baseline; }
    #authgate b { text-transform: capitalize; } #authgate a { color: #0b5cad; } #authgate .bad { color: #b3261e; font-weight: 600; flex-basis: 100%; white-space: pre-wrap; overflow-wrap: anywhere; } #authgate progress { flex: 1 1 8rem; min-width: 6rem; max-width: 24rem; height: .8rem; align-self: center; }
    #authgate .bad:empty, #authgate .soft:empty { display: none; }
    @media (prefers-color-scheme: dark) { #authgate { background: #1b242d; color: #e8edf2; border-color: #3a4753; } #authgate a { color: #7db7f5; } #authgate .bad { color: #ff9a90; } }`;
  const made = (tag, props = {}) => Object.assign(document.createElement(tag), props);
  let bar, phase, counts, part, folder, bad, fresh, note = '', over = 0, state = { phase: 'ready' };

  function build() {
    document.head.append(made('style', { textContent: STYLE }));
    bar = made('section', { id: 'authgate' });
    bar.setAttribute('aria-label', say('bar_label'));
    phase = made('b');
    phase.setAttribute('role', 'status');
    counts = made('span');
    part = made('progress', { max: 1, value: 0 });
    folder = made('span', { className: 'soft' });
    fresh = made('a', { href: 'start', textContent: say('bar_new') });
    bad = made('span', { className: 'bad' });
    bad.setAttribute('role', 'alert');
    bar.append(phase, counts, part, folder, fresh, made('a', { href: 'gate', textContent: say('bar_gate') }), bad);
    document.body.prepend(bar);
  }

  function show() {
    const running = state.phase === 'preparing' || state.phase === 'running';
    phase.textContent = say(`phase_${state.phase}`);
    const said = [];
    if (state.planned) said.push(say('bar_counts', state));
    if (state.denied) said.push(say('bar_denied', state));
    if (state.failed) said.push(say('bar_failed', state));
    if (state.waited) said.push(say('bar_waited', state));
    counts.textContent = said.join(' · ');
    part.hidden = state.phase !== 'running';
    part.max = state.planned || 1;
    part.value = state.ended || 0;
    part.setAttribute('aria-label', counts.textContent);
    folder.textContent = state.folder && !running ? say('bar_folder', state) : '';
    fresh.hidden = running;
    if (!running) note = '';
    bad.textContent = [note, state.phase === 'stopped' || state.phase === 'failed' ? state.says : state.lost, state.generator].filter(Boolean).join('\n');
  }

  /* Locust's page asks no more once it has met a test that is cleaned up, and would show that for ever. */
  function stuck() {
    const texts = [...document.querySelectorAll('button')].map((button) => button.textContent.trim());
    over = state.phase === 'done' || state.phase === 'stopped' ? over + 1 : 0;
    return over > 1 && texts.includes('Edit') && !texts.includes('New');
  }

  async function look() {
    try {
      if (!document.hidden) {
        state = await (await fetch('authgate/state')).json();
        show();
        if (state.phase === 'failed') location.assign('start');
        if (stuck()) location.reload();
      }
    } catch {
      bad.textContent = say('no_answer');
    }
    setTimeout(look, state.phase === 'preparing' || state.phase === 'running' ? 500 : 3000);
  }

  /* Locust's dialogue would change a count of users that the plan does not depend on, or start a test without its form. */
  document.addEventListener('click', (event) => {
    const button = event.target.closest && event.target.closest('button');
    const text = button && !bar.contains(button) ? button.textContent.trim() : '';
    if (text === 'New') {
      event.preventDefault();
      event.stopPropagation();
      location.assign('start');
    } else if (text === 'Edit') {
      event.preventDefault();
      event.stopPropagation();
      note = say('bar_edit');
      show();
    }
  }, true);

  const words = made('script', { src: 'authgate/static/words.js' });
  words.setAttribute('data-quiet', '');
  words.onload = () => { build(); look(); };
  document.head.append(words);
})();
