// Brings the page up to date while it is looked at; a request that fails is tried again with the next turn.
const place = document.getElementById("data")

async function refresh() {
  if (document.hidden) return
  const answer = await fetch(place.dataset.from)
  if (answer.ok) place.innerHTML = await answer.text()
}

setInterval(() => refresh().catch(() => {}), 2_000)
