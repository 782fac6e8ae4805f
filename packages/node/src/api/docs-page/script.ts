/**
 * The script of the API page, for browsers. Everything that comes from the document is set as text, never as markup.
 * The token stays in the page's memory.
 */
export const script = String.raw`"use strict"
const byId = (id) => document.getElementById(id)

function make(name, attributes, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes ?? {})) element.setAttribute(key, value)
  element.append(...children.filter((child) => child !== undefined))
  return element
}

const backtick = String.fromCharCode(96)

// Paragraphs, with code where the document marks it.
function prose(text) {
  return (text ?? "").split("\n\n").map((paragraph) =>
    make("p", {}, ...paragraph.split(backtick).map((part, index) => (index % 2 === 1 ? make("code", {}, part) : part))))
}

const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2))

function resolve(schema, api) {
  const name = schema?.$ref?.split("/").at(-1)
  return name === undefined ? schema : api.components.schemas[name]
}

function typeOf(schema) {
  if (schema?.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ")
  return [schema?.type ?? "any"].flat().join(" | ")
}

function fieldTable(schema, api) {
  const shown = resolve(schema, api)
  if (!shown?.properties) return undefined
  const rows = Object.entries(shown.properties).map(([name, field]) => {
    const known = resolve(field, api)
    const mark = shown.required?.includes(name) ? "" : " (optional)"
    return make("tr", {}, make("th", {}, name), make("td", { class: "faint" }, typeOf(known) + mark), make("td", {}, ...prose(known?.description)))
  })
  return make("table", {}, ...rows)
}

function media(content, api) {
  return Object.entries(content ?? {}).flatMap(([type, { schema, example }]) => [
    make("p", {}, make("code", {}, type)),
    fieldTable(schema, api),
    example === undefined ? undefined : make("pre", {}, pretty(example)),
  ])
}

function answers(operation, api) {
  return Object.entries(operation.responses).map(([status, { description, content }]) => {
    const inside = media(status < 400 ? content : {}, api)
    return make("tr", {}, make("th", {}, status), make("td", {}, ...prose(description), ...inside))
  })
}

function parameterRow(parameter, inputs) {
  const input = make("input", { "aria-label": parameter.name, placeholder: String(parameter.schema?.default ?? "") })
  inputs.push({ parameter, input })
  return make("tr", {}, make("th", {}, parameter.name), make("td", {}, input), make("td", {}, ...prose(parameter.description)))
}

function addressOf(path, inputs) {
  const search = new URLSearchParams()
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") path = path.replace("{" + parameter.name + "}", encodeURIComponent(input.value))
    else if (parameter.in === "query" && input.value !== "") search.append(parameter.name, input.value)
  }
  return search.size === 0 ? path : path + "?" + search
}

function headersOf(inputs, type) {
  const headers = {}
  if (byId("token").value !== "") headers.authorization = "Bearer " + byId("token").value.trim()
  if (type !== undefined) headers["content-type"] = type
  for (const { parameter, input } of inputs) {
    if (parameter.in === "header" && input.value !== "") headers[parameter.name] = input.value
  }
  return headers
}

async function show(response, output) {
  const text = await response.text()
  let body = text
  try {
    body = JSON.stringify(JSON.parse(text), null, 2)
  } catch {}
  output.className = response.ok ? "" : "bad"
  output.textContent = response.status + " " + response.statusText + "\n" + body.slice(0, 100000)
}

function form(method, path, operation) {
  const inputs = []
  const types = Object.entries(operation.requestBody?.content ?? {})
  const parameters = (operation.parameters ?? []).map((parameter) => parameterRow(parameter, inputs))
  const type = make("select", { "aria-label": "Content type" }, ...types.map(([name]) => make("option", {}, name)))
  const body = make("textarea", { "aria-label": "Body", spellcheck: "false" })
  const fill = () => { body.value = pretty(operation.requestBody.content[type.value].example ?? "") }
  const output = make("pre", { hidden: "", "aria-live": "polite" })
  const send = make("button", { type: "button" }, "Send")
  if (types.length > 0) fill()
  type.addEventListener("change", fill)
  send.addEventListener("click", async () => {
    output.hidden = false
    output.textContent = "…"
    const withBody = types.length > 0
    try {
      const headers = headersOf(inputs, withBody ? type.value : undefined)
      await show(await fetch(addressOf(path, inputs), { method: method.toUpperCase(), headers, ...(withBody ? { body: body.value } : {}) }), output)
    } catch (error) {
      output.className = "bad"
      output.textContent = "No answer: " + error.message
    }
  })
  return [
    parameters.length > 0 ? make("h3", {}, "Parameters") : undefined,
    parameters.length > 0 ? make("table", {}, ...parameters) : undefined,
    ...(types.length > 0 ? [make("h3", {}, "Body"), type, body] : []),
    make("p", {}, send),
    output,
  ]
}

function accessText(access) {
  if (access === "public") return "Needs no token."
  return access === "any" ? "Needs a token." : "Needs a token with the scope " + access + "."
}

function operationCard(method, path, operation, api) {
  const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema
  const fields = schema === undefined ? undefined : fieldTable(schema, api)
  return make("details", { id: operation.operationId },
    make("summary", {}, make("span", { class: "method" }, method.toUpperCase()), make("span", { class: "path" }, path), make("span", { class: "faint" }, operation.summary)),
    make("div", { class: "inside" },
      ...(operation.description === undefined ? [] : prose(operation.description)),
      make("p", { class: "faint" }, accessText(operation["x-access"])),
      ...form(method, path, operation),
      fields === undefined ? undefined : make("h3", {}, "Fields of the body"), fields,
      make("h3", {}, "Answers"), make("table", {}, ...answers(operation, api))))
}

async function start() {
  const api = await (await fetch("/v1/openapi.json")).json()
  byId("title").textContent = api.info.title + " " + api.info.version
  const all = Object.entries(api.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })))
  const groups = api.tags.flatMap((tag) => [
    make("h2", {}, tag.name),
    make("p", { class: "faint" }, tag.description),
    ...all.filter(({ operation }) => operation.tags.includes(tag.name))
      .map(({ method, path, operation }) => operationCard(method, path, operation, api)),
  ])
  byId("operations").replaceChildren(...groups)
  const wanted = byId(location.hash.slice(1))
  if (wanted?.tagName === "DETAILS") wanted.open = true
}

start().catch((error) => {
  byId("operations").replaceChildren(make("p", { class: "bad" }, "The document cannot be shown: " + error.message))
})
`
