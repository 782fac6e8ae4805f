/** Style of the pages that the API room serves itself; light and dark. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f7f8f9, #14181b);
  --paper: light-dark(#fff, #1c2226);
  --ink: light-dark(#1b2329, #dfe6ea);
  --faint: light-dark(#5c6b76, #93a3ae);
  --line: light-dark(#dce2e6, #313a40);
  --accent: light-dark(#0b6e75, #5cc8cf);
  --bad: light-dark(#a3262a, #f08a8d);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 6rem; }
h1 { font-size: 1.6rem; font-weight: 600; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .25rem; }
h3 { font-size: .8rem; margin: 1.25rem 0 .25rem; color: var(--faint); font-weight: 600; }
p { margin: .25rem 0 .75rem; max-width: 44rem; }
a { color: var(--accent); }
.faint { color: var(--faint); }
code, pre, textarea, .path, .method { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .85rem; }
pre, textarea, input, select {
  background: var(--ground); color: inherit; border: 1px solid var(--line); border-radius: 4px; padding: .5rem .6rem;
}
pre { overflow: auto; max-height: 24rem; margin: .25rem 0 .75rem; white-space: pre-wrap; overflow-wrap: anywhere; }
textarea { width: 100%; min-height: 8rem; resize: vertical; }
input, select { font: inherit; width: 100%; }
button {
  font: inherit; border: 1px solid var(--accent); background: var(--accent); color: var(--paper); border-radius: 4px;
  padding: .4rem 1rem; cursor: pointer;
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.token { display: grid; gap: .25rem; max-width: 34rem; margin: 1.25rem 0 0; }
details { background: var(--paper); border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
summary { cursor: pointer; padding: .6rem .8rem; display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; }
summary .faint { flex: 1 1 16rem; }
.inside { padding: .6rem .8rem .9rem; border-top: 1px solid var(--line); }
td p { margin: 0 0 .25rem; }
.method { font-weight: 600; color: var(--accent); min-width: 3.6rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; }
td input { min-width: 8rem; }
.bad { color: var(--bad); }
`
