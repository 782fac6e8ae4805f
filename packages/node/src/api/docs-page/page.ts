/** The page that shows the OpenAPI document and sends requests. It needs nothing from other sites. */
export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Brume API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/page.css">
<script src="/docs/page.js" defer></script>
</head>
<body>
<main>
<h1 id="title">Brume API</h1>
<p class="faint">Described by <a href="/v1/openapi.json">/v1/openapi.json</a> (OpenAPI 3.1).</p>
<label class="token">Token for the requests that you send from here
<input id="token" type="password" autocomplete="off" spellcheck="false" placeholder="brume_…">
</label>
<div id="operations"><p class="faint">Loading the document…</p></div>
<noscript><p>This page needs JavaScript; the document itself does not.</p></noscript>
</main>
</body>
</html>
`
