'use strict';
/* The form of a plain test: what may be chosen comes from the server, and what is wrong stands beside its field. */
const FIELDS = ['scenario', 'targets', 'arm', 'seats', 'run_time'];
let choices = { scenarios: [], targets: [], arms: [], now: {} };

function refresh() {
  showPaths(['scenario', 'targets']);
  const scenario = choices.scenarios.find((each) => each.name === value('scenario'));
  const lasts = scenario ? duration(scenario.lasts_s) : '–';
  $('scenario-hint').textContent = scenario ? say('scenario_hint', { ...scenario, lasts }) : '';
  $('seats-hint').textContent = say('seats_hint', { seats: scenario ? scenario.seats : '–' });
  $('run_time-hint').textContent = say('run_time_hint', { lasts });
  const targets = choices.targets.find((each) => each.file === value('targets'));
  $('targets-hint').textContent = targets && targets.lab ? say('lab_hint', targets) : choices.targets.length ? '' : say('no_targets');
  const arm = $('arm').value;
  $('arm').replaceChildren();
  for (const each of targets ? targets.arms : choices.arms) option($('arm'), each, each);
  if ([...$('arm').options].some((each) => each.value === arm)) $('arm').value = arm;
}

async function load() {
  translate();
  choices = await (await fetch('authgate/choices')).json();
  for (const each of choices.scenarios) option($('scenario'), each.name, each.name);
  option($('scenario'), OTHER, say('other_file'));
  for (const each of choices.targets) option($('targets'), each.file, each.file);
  option($('targets'), OTHER, say('other_file'));
  choose('scenario', choices.now.scenario);
  choose('targets', choices.now.targets);
  if (!choices.targets.some((each) => each.file === choices.now.targets) && choices.targets.length) choose('targets', choices.targets[0].file);
  refresh();
  $('arm').value = choices.now.arm;
  const state = await (await fetch('authgate/state')).json();
  if (state.phase === 'failed') complain(state.fields, state.says);
  $('running').classList.toggle('hidden', !['preparing', 'running'].includes(state.phase));
}

$('form').addEventListener('input', refresh);
$('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  complain({}, '');
  $('go').disabled = true;
  $('go').textContent = say('starting');
  const form = new URLSearchParams({ scenario: value('scenario'), targets: value('targets'), arm: $('arm').value, seats: $('seats').value.trim(), run_time: $('run_time').value.trim() });
  try {
    const answer = await fetch('swarm', { method: 'POST', body: form });
    const text = await answer.text();
    const said = answer.headers.get('content-type')?.includes('json') ? JSON.parse(text) : { success: false, message: text };
    if (said.success) {
      location.assign('./');
      return;
    }
    complain(said.fields || {}, said.message);
  } catch {
    complain({}, say('no_answer'));
  }
  $('go').disabled = false;
  $('go').textContent = say('start');
});
load().catch(() => complain({}, say('no_answer')));
