// Resolves to true when the page is loaded, its finite animations are over and nothing changed for `quiet` ms; to false
// when `limit` ms have passed. Endless animations are not waited for.
([quiet, limit]) => new Promise((resolve) => {
  const started = performance.now();
  let changed = started;
  const watcher = new MutationObserver(() => { changed = performance.now(); });
  watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  const pages = [window];
  for (const frame of document.querySelectorAll("iframe")) {
    try { if (frame.contentDocument) pages.push(frame.contentWindow); } catch (error) { /* another origin */ }
  }
  const moving = () => pages.some((page) => (page.jQuery && page.jQuery.timers && page.jQuery.timers.length > 0)
    || (page.document && page.document.getAnimations().some((one) => one.playState === "running" && one.effect
        && one.effect.getComputedTiming().endTime !== Infinity)));
  const look = () => {
    const now = performance.now();
    if (document.readyState === "complete" && now - changed >= quiet && !moving()) done(true);
    else if (now - started > limit) done(false);
    else setTimeout(look, 10);
  };
  const done = (settled) => { watcher.disconnect(); resolve(settled); };
  look();
})
