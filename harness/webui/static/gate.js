'use strict';
/* The gate's page: a form while nothing runs, the run while one does, its report when it has ended. */
const FIELDS = ['update', 'scenario', 'targets', 'policy'];
let choices = null, runs = [], now = { live: null }, shown = '', stopping = false, chosen = [];

/* The form. */
function refresh() {
  showPaths(['scenario', 'targets', 'policy']);
  const update = choices.updates.find((each) => each.name === $('update').value);
  $('own').classList.toggle('hidden', Boolean(update));
  $('update-hint').textContent = update ? say('update_hint', update) : '';
  const scenario = choices.scenarios.find((each) => each.name === value('scenario'));
  $('scenario-hint').textContent = scenario ? say('both_hint', { ...scenario, both: duration(scenario.both_s) }) : '';
  const targets = choices.targets.find((each) => each.file === value('targets'));
  $('targets-hint').textContent = targets && targets.lab ? say('lab_hint', targets) : choices.targets.length ? '' : say('no_targets');
}
async function post(path, form) {
  const answer = await fetch(path, { method: 'POST', body: new URLSearchParams(form) });
  const text = await answer.text();
  return answer.headers.get('content-type')?.includes('json') ? JSON.parse(text) : { success: false, message: text };
}
async function loadForm() {
  choices = await (await fetch('gate/choices')).json();
  option($('update'), '', say('own_servers'));
  for (const each of choices.updates) option($('update'), each.name, each.name);
  for (const each of choices.scenarios) option($('scenario'), each.name, each.name);
  for (const each of choices.targets) option($('targets'), each.file, each.file);
  for (const each of choices.policies) option($('policy'), each, each);
  for (const name of ['scenario', 'targets', 'policy']) option($(name), OTHER, say('other_file'));
  for (const name of ['scenario', 'targets', 'policy']) choose(name, choices.now[name]);
  if (!choices.targets.some((each) => each.file === choices.now.targets) && choices.targets.length) choose('targets', choices.targets[0].file);
  refresh();
}

/* The run that goes on. */
function headline(live) {
  if (live.phase === 'preparing') return ['', say('preparing'), live.ready.length ? `${say('preparing_says')} ${say('preparing_ready', { ready: live.ready.join(', ') })}` : say('preparing_says'), []];
  const verdict = live.verdict;
  if (!verdict) return ['', say('no_look'), say('no_look_says'), []];
  const reasons = [...verdict.waits_for, ...(verdict.more ? [say('more', verdict)] : [])];
  const title = verdict.final ? verdict.kind : say('so_far', verdict);
  const says = verdict.kind === 'BLOCK' ? verdict.sentence : say(`so_far_${verdict.kind}`);
  return [verdict.kind, title, says, verdict.kind === 'INVALID' ? live.unsound : reasons];
}
function showLive(live) {
  $('live-title').textContent = say('running_title', live);
  const [kind, title, says, reasons] = headline(live);
  $('banner').className = `banner ${kind}`;
  if ($('kind').textContent !== title) $('kind').textContent = title;
  document.title = `${title} · ${live.scenario} · authgate`;
  $('sentence').textContent = says;
  fill($('waits'), ...reasons.map((each) => el('li', { textContent: each })));
  const running = live.phase === 'running';
  $('plan').value = running ? live.elapsed_s / live.length_s : 0;
  $('plan').setAttribute('aria-label', say('running_title', live));
  const pass = live.pass_in_s === null || live.pass_in_s === undefined ? '' : live.pass_in_s > 0 ? say('time_pass', { pass: duration(live.pass_in_s) }) : say('time_pass_now');
  $('time').textContent = running ? [say('time', { elapsed: duration(live.elapsed_s), length: duration(live.length_s), left: duration(live.left_s) }), pass].filter(Boolean).join(' · ') : '';
  $('stop').disabled = stopping;
  $('stop').textContent = say(stopping ? 'stopping' : 'stop');
  $('stop-note').textContent = say('stop_note');
  const lights = (live.lights || []).map((each) => el('li', { className: each.ok ? 'ok' : 'off' },
    el('span', { className: 'sign', textContent: each.ok ? '✓' : '✗', role: 'img', 'aria-label': say(each.ok ? 'light_ok' : 'light_off') }),
    say('light', { arm: each.arm, what: say(`light_${each.name}`), value: short(each.value), limit: short(each.limit), unit: each.unit })));
  fill($('lights'), ...(lights.length ? lights : [el('li', { className: 'soft', textContent: say('no_lights') })]));
  fill($('unsound'), ...(live.unsound || []).map((each) => el('li', { textContent: each })));
  if (running) showRunning(live);
  else for (const id of ['load', 'logins', 'steps', 'pairs', 'failures', 'slowest', 'failed', 'wire']) fill($(id));
}
function showRunning(live) {
  const lines = [[say('offered'), say('per_s', { value: short(live.offered) })], [say('achieved'), say('per_s', { value: short(live.achieved) })],
    [say('block'), say('block_of', { block: live.block + 1, blocks: live.blocks, arms: live.under_load.join(' & ') })], [say('pairs_done'), NUMBER.format(live.pairs)]];
  for (const arm of live.arms) {
    const found = live.latencies[arm], failed = live.failed[arm], generator = live.generators[arm];
    if (found) lines.push([say('latency', { arm }), say('latency_is', { p50: found[0], p95: found[1] })]);
    if (failed) lines.push([say('failed_of', { arm }), say('failed_is', { failed: failed[0], ended: failed[1] })]);
    if (generator) lines.push([say('seats_busy', { arm }), say('seats_of', { busy: generator.busy_seats, seats: live.seats })],
      [say('generator', { arm }), say('generator_is', { cpu: known(generator.cpu, (share) => Math.round(100 * share)), rss: known(generator.rss_mb, Math.round), lag: known(generator.send_lag_p99_ms, short) })]);
  }
  facts($('load'), lines);
  const findings = live.findings || [];
  fill($('logins'), findingsTable(findings.filter((each) => each.step === 'login' || each.decision === 'block')));
  fill($('steps'), findingsTable(findings.filter((each) => each.step !== 'login')));
  fill($('pairs'), ...(live.pairs_of || []).filter((each) => each.unit === 'log_ratio').slice(0, 6).map(pairsFigure));
  fill($('failures'), failuresTable(live.failures, live.arms));
  for (const name of ['slowest', 'failed']) fill($(name), ...(live.logins[name].length ? live.logins[name].map(loginCard) : [el('p', { className: 'soft', textContent: say('none') })]));
  fill($('wire'), ...(live.wire.length ? live.wire : [say('no_wire')]).map((each) => el('li', { textContent: each })));
}

/* Reports. */
function openReports(ids) {
  shown = ids.join(' ');
  const found = ids.map((id) => runs.find((each) => each.run_id === id)).filter(Boolean);
  $('report-title').textContent = found.map((each) => [each.verdict || each.status, each.scenario].join(': ')).join(' · ');
  fill($('downloads'), ...found.flatMap((run) => run.files.flatMap((name) => [el('a', { href: `gate/runs/${run.run_id}/${name}`, textContent: name, target: name.endsWith('html') || name.endsWith('png') ? '_blank' : '', rel: 'noopener' }), ' '])));
  fill($('frames'), ...found.map((run) => el('figure', {}, el('figcaption', {}, el('strong', { className: `verdict ${run.verdict}`, textContent: run.verdict || say('no_report') }), ` ${run.run_id}`, el('p', { textContent: run.sentence })),
    run.files.includes('report.html') ? el('iframe', { src: `gate/runs/${run.run_id}/report.html`, title: `${say('report_title')} ${run.run_id}`, sandbox: 'allow-popups' }) : null)));
  show();
  $('report').scrollIntoView();
  document.title = `${$('report-title').textContent} · authgate`;
  $('report-title').focus();
}
async function loadRuns() {
  runs = await (await fetch(`gate/runs?lang=${LANGUAGE}`)).json();
  if (!runs.length) return fill($('list'), el('p', { className: 'soft', textContent: say('no_runs') }));
  const head = el('tr', {}, ...[say('compare'), say('when'), say('scenario'), say('verdict'), say('report_title')].map((text) => el('th', { scope: 'col', textContent: text })));
  const rows = runs.map((run) => {
    const box = el('input', { type: 'checkbox', checked: chosen.includes(run.run_id), 'aria-label': say('choose_run', { run: run.run_id }) });
    box.addEventListener('change', () => {
      chosen = box.checked ? [...chosen, run.run_id] : chosen.filter((each) => each !== run.run_id);
      $('compare').disabled = chosen.length !== 2;
    });
    const open = el('button', { type: 'button', className: 'plain', textContent: say('open'), 'aria-label': `${say('open')} ${run.run_id}` });
    open.addEventListener('click', () => openReports([run.run_id]));
    const when = new Date(run.created).toLocaleString(LANGUAGE === 'sv' ? 'sv-SE' : 'en-GB', { dateStyle: 'medium', timeStyle: 'short' });
    const partial = run.status === 'complete' ? '' : ` (${run.status === 'partial' ? say('run_partial') : run.status})`;
    return el('tr', {}, el('td', {}, box), el('td', { textContent: when }), el('td', { textContent: `${run.scenario}${run.update ? ` – ${run.update}` : ''}${run.arms.length === 1 ? ` (${run.arms[0]})` : ''}` }),
      el('td', {}, el('span', { className: `verdict ${run.verdict}`, textContent: run.verdict || '–' }), partial), el('td', {}, run.files.length ? open : say('no_report')));
  });
  fill($('list'), el('table', {}, el('thead', {}, head), el('tbody', {}, ...rows)));
}

/* Which part is shown. */
function show() {
  const live = now.live, busy = Boolean(live || now.starting || now.ending);
  $('live').classList.toggle('hidden', !busy);
  $('report').classList.toggle('hidden', busy || !shown);
  $('form-part').classList.toggle('hidden', busy || Boolean(shown));
  if (live) showLive(live);
  else if (busy) {
    $('live-title').textContent = say('nav_the_gate');
    $('banner').className = 'banner';
    $('kind').textContent = say(now.ending ? 'ending_says' : 'starting_says');
    $('sentence').textContent = '';
    fill($('waits'));
    $('time').textContent = '';
    $('stop').disabled = Boolean(now.ending);
  }
}
async function hear(state) {
  const was = now;
  now = state;
  if (!state.live) stopping = false;
  if (state.failed && state.failed !== was.failed) complain({}, `${say('failed_title')}:\n${state.failed}`);
  if (was.live && !state.live && !state.ending) await loadRuns();
  const ended = state.ended && (was.live || was.ending || was.starting) ? state.ended : '';
  if (ended) {
    await loadRuns();
    openReports([ended]);
    return;
  }
  show();
}

$('form').addEventListener('input', refresh);
$('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  complain({}, '');
  $('go').disabled = true;
  try {
    const update = $('update').value;
    const form = update ? { update } : { scenario: value('scenario'), targets: value('targets'), policy: value('policy') };
    const said = await post('gate/start', { ...form, lang: LANGUAGE });
    if (said.success) {
      await hear({ ...now, live: null, starting: true, ended: '', failed: '' });
      $('live-title').focus();
    } else complain(said.fields || {}, said.message);
  } catch {
    complain({}, say('no_answer'));
  }
  $('go').disabled = false;
});
$('stop').addEventListener('click', async () => {
  const live = now.live, ended = live && live.failed ? Object.values(live.failed).reduce((sum, each) => sum + each[1], 0) : 0;
  if (!confirm(say('stop_sure', { ended, folder: live ? live.folder : '' }))) return;
  stopping = true;
  show();
  const said = await post('gate/stop', { run_id: live ? live.run_id : '' });
  if (!said.success) complain({}, said.message);
});
$('another').addEventListener('click', () => { shown = ''; show(); $('update').focus(); });
$('compare').addEventListener('click', () => openReports(chosen));

const events = new EventSource(`gate/events?lang=${LANGUAGE}`);
let silent = false;
events.onmessage = (event) => {
  if (silent) $('wrong').textContent = '';
  silent = false;
  hear(JSON.parse(event.data));
};
events.onerror = () => {
  silent = true;
  $('wrong').textContent = say('no_answer');
};
Promise.all([loadForm(), loadRuns()]).then(show).catch(() => complain({}, say('no_answer')));
