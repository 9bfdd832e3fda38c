// For browsers that are too old for the page, and so in the language that they understand (ES5).
var needed = [
  'noModule' in document.createElement('script'),
  'HTMLDialogElement' in window,
  'ResizeObserver' in window,
  Array.prototype.at,
  'AbortSignal' in window && AbortSignal.prototype.throwIfAborted,
];
var isOld = needed.some(isMissing);

function isMissing(one) {
  return !one;
}

function tell() {
  var isStarted = document.documentElement.hasAttribute('data-started');
  if (isOld || !isStarted) document.getElementById('old').removeAttribute('hidden');
}

if (isOld) document.documentElement.setAttribute('data-old', '');
window.addEventListener('load', tell);
