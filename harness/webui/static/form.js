'use strict';
/* What both forms are made of: choices of files, and what is wrong beside its field. */
const $ = (id) => document.getElementById(id);
const OTHER = ':other';

function option(select, value, text) {
  const made = document.createElement('option');
  made.value = value;
  made.textContent = text;
  select.append(made);
}

function value(name) {
  const select = $(name);
  return select.value === OTHER ? $(`${name}-file`).value.trim() : select.value;
}

function choose(name, value) {
  const select = $(name);
  const known = [...select.options].some((each) => each.value === value);
  select.value = known ? value : OTHER;
  if (!known) $(`${name}-file`).value = value;
}

function showPaths(names) {
  for (const name of names) {
    const file = $(`${name}-file`);
    file.classList.toggle('hidden', $(name).value !== OTHER);
    file.setAttribute('aria-label', `${say(name)}: ${say('file_of')}`);
    file.placeholder = say('file_of');
  }
}

function complain(fields, message) {
  let first = null;
  for (const name of FIELDS) {
    const text = fields[name] || '';
    $(`${name}-wrong`).textContent = text;
    $(name).closest('.field').classList.toggle('bad', Boolean(text));
    $(name).setAttribute('aria-invalid', text ? 'true' : 'false');
    if (text && !first) first = $(name).value === OTHER ? $(`${name}-file`) : $(name);
  }
  $('wrong').textContent = first ? '' : message || '';
  if (first) first.focus();
}
