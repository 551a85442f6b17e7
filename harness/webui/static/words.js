'use strict';
/* What the pages say, in the browser's language: Swedish or English. What comes from the server is shown as it is. */
const WORDS = {
  en: {
    nav_gate: 'Gate: compare two arms', nav_running: 'The test that is under way', nav_start: 'Measure one arm',
    start_title: 'Measure one arm', login_title: 'authgate', password: 'Password', log_in: 'Log in', wrong_password: 'Wrong password.',
    start_lead: 'Clinicians log in to one set of servers as a scenario says. Nothing is judged.',
    scenario: 'Scenario', targets: 'Targets', arm: 'Arm', seats: 'Seats', run_time: 'Time limit', start: 'Start',
    other_file: 'Another file …', file_of: 'Path of a YAML file',
    scenario_hint: '{rate} logins/s at the peak, {users} accounts, {lasts} for one arm. {description}',
    lab_hint: 'The lab that is up here ({lab}).', no_targets: 'No file of targets lies here: start a lab (authgate lab up), or name a file.',
    seats_hint: 'Logins that may be under way at once. Empty: as many as the scenario says ({seats}).',
    run_time_hint: 'Empty: until the plan is done ({lasts}). Or 90s, 3m, 1h20m.',
    no_answer: 'The server does not answer.', starting: 'Starting …',
    phase_ready: 'ready', phase_preparing: 'preparing', phase_running: 'running', phase_done: 'plan done', phase_stopped: 'stopped', phase_failed: 'failed',
    bar_counts: '{ended} of {planned} logins', bar_denied: '{denied} denied', bar_failed: '{failed} failed', bar_waited: '{waited} waited for a seat',
    bar_folder: 'Kept in {folder}', bar_new: 'New test', bar_gate: 'Gate', bar_edit: 'A plan does not change while it runs: stop the test and start a new one.',
    bar_label: 'What the test is doing', too_small: 'Generator too small',
  },
  sv: {
    nav_gate: 'Grind: jämför två armar', nav_running: 'Provet som pågår', nav_start: 'Mät en arm',
    start_title: 'Mät en arm', login_title: 'authgate', password: 'Lösenord', log_in: 'Logga in', wrong_password: 'Fel lösenord.',
    start_lead: 'Vårdpersonal loggar in mot en uppsättning servrar så som scenariot säger. Inget bedöms.',
    scenario: 'Scenario', targets: 'Mål', arm: 'Arm', seats: 'Platser', run_time: 'Tidsgräns', start: 'Starta',
    other_file: 'En annan fil …', file_of: 'Sökväg till en YAML-fil',
    scenario_hint: '{rate} inloggningar/s som mest, {users} konton, {lasts} för en arm. {description}',
    lab_hint: 'Labbet som är igång här ({lab}).', no_targets: 'Här finns ingen fil med mål: starta ett labb (authgate lab up), eller ange en fil.',
    seats_hint: 'Inloggningar som får pågå samtidigt. Tomt: så många som scenariot säger ({seats}).',
    run_time_hint: 'Tomt: tills planen är klar ({lasts}). Eller 90s, 3m, 1h20m.',
    no_answer: 'Servern svarar inte.', starting: 'Startar …',
    phase_ready: 'redo', phase_preparing: 'förbereder', phase_running: 'kör', phase_done: 'planen är klar', phase_stopped: 'stoppat', phase_failed: 'misslyckades',
    bar_counts: '{ended} av {planned} inloggningar', bar_denied: '{denied} nekade', bar_failed: '{failed} misslyckade', bar_waited: '{waited} väntade på en plats',
    bar_folder: 'Sparat i {folder}', bar_new: 'Nytt prov', bar_gate: 'Grind', bar_edit: 'En plan ändras inte medan den körs: stoppa provet och starta ett nytt.',
    bar_label: 'Vad provet gör', too_small: 'Generatorn räckte inte till',
  },
};
const LANGUAGE = (navigator.language || 'en').toLowerCase().startsWith('sv') ? 'sv' : 'en';
const NUMBER = new Intl.NumberFormat(LANGUAGE === 'sv' ? 'sv-SE' : 'en-GB');

function say(key, values = {}) {
  const text = WORDS[LANGUAGE][key] ?? WORDS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? (typeof values[name] === 'number' ? NUMBER.format(values[name]) : values[name]) : all));
}

function duration(s) {
  const whole = Math.round(s), m = Math.floor(whole / 60), h = Math.floor(m / 60);
  if (h) return `${h} h ${m % 60} min`;
  return m ? `${m} min${whole % 60 ? ` ${whole % 60} s` : ''}` : `${whole} s`;
}

function translate(within = document) {
  document.documentElement.lang = LANGUAGE;
  for (const each of within.querySelectorAll('[data-say]')) each.textContent = say(each.dataset.say);
  const wrong = within.querySelector('[data-wrong="wrong"]');
  if (wrong) wrong.textContent = say('wrong_password');
}
if (document.currentScript && !document.currentScript.hasAttribute('data-quiet')) translate();
