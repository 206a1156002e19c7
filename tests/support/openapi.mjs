// gateway/openapi.json as a judge: every answer that a test gets must be one that it documents.
//
//   const contract = loadContract();
//   contract.operations                     [{ method, path, operation }]
//   contract.judge('GET', '/api/v1/jobs', { status, headers, json })      throws what is wrong
import fs from 'node:fs';

const file = new URL('../../gateway/openapi.json', import.meta.url);

// What any request may get, whatever it asks for.
const ANYWHERE = { 400: ['bad_uri'], 404: ['not_found'], 413: null, 429: ['too_many_requests'], 500: [] };

function typeOf(value) {
	if (value === null) return 'null';
	if (Array.isArray(value)) return 'array';
	if (Number.isInteger(value)) return 'integer';
	return typeof value;
}

const rules = {
	type: (types, value) => [types].flat().some((type) => type === typeOf(value) || (type === 'number' && typeOf(value) === 'integer')),
	enum: (values, value) => values.includes(value),
	const: (only, value) => value === only,
	pattern: (text, value) => typeof value !== 'string' || new RegExp(text).test(value),
	format: (name, value) => typeof value !== 'string' || name !== 'date-time' || /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value),
	minimum: (low, value) => typeof value !== 'number' || value >= low,
	maximum: (high, value) => typeof value !== 'number' || value <= high,
	minItems: (low, value) => !Array.isArray(value) || value.length >= low,
	maxItems: (high, value) => !Array.isArray(value) || value.length <= high,
};
const SILENT = new Set(['description', 'default', 'required', 'properties', 'additionalProperties', 'items',
	'prefixItems', 'oneOf', '$ref', 'uniqueItems', 'minLength', 'maxLength']);

export function loadContract() {
	const doc = JSON.parse(fs.readFileSync(file, 'utf8'));
	const resolve = (schema) => (schema.$ref
		? resolve(schema.$ref.slice(2).split('/').reduce((at, name) => at[name], doc)) : schema);

	// The list of what is wrong with value; empty: it fits.
	function check(given, value, at = '$') {
		const schema = resolve(given);
		const wrong = [];
		for (const [name, wanted] of Object.entries(schema)) {
			if (rules[name]) {
				if (!rules[name](wanted, value)) wrong.push(`${at}: ${JSON.stringify(value)} against ${name} ${JSON.stringify(wanted)}`);
			} else if (!SILENT.has(name)) throw new Error(`schema word ${name} is not known to this test`);
		}
		if (schema.oneOf && schema.oneOf.filter((one) => check(one, value).length === 0).length !== 1)
			wrong.push(`${at}: none or several of oneOf: ${JSON.stringify(value)}`);
		if (typeOf(value) === 'array') {
			value.forEach((item, i) => {
				const of = schema.prefixItems?.[i] ?? schema.items;
				if (of) wrong.push(...check(of, item, `${at}[${i}]`));
			});
		}
		if (typeOf(value) === 'object' && schema.properties) {
			for (const name of schema.required ?? []) if (!(name in value)) wrong.push(`${at}: no ${name}`);
			for (const [name, member] of Object.entries(value)) {
				if (schema.properties[name]) wrong.push(...check(schema.properties[name], member, `${at}.${name}`));
				else if (schema.additionalProperties === false) wrong.push(`${at}: ${name} is not documented`);
			}
		}
		return wrong;
	}

	const operations = Object.entries(doc.paths).flatMap(([path, verbs]) =>
		Object.entries(verbs).map(([verb, operation]) => ({ method: verb.toUpperCase(), path, operation })));
	const find = (method, target) => operations.find((one) => one.method === method &&
		new RegExp(`^${one.path.replace('{id}', '[0-9a-f]{24}').replace('{token}', '[\\w-]{43}')}$`).test(target.split('?')[0]));

	function judge(method, target, answer) {
		const one = find(method, target);
		if (!one) return;
		const what = `${method} ${one.path} ${answer.status}`;
		const { status } = answer;
		const documented = one.operation.responses[status];
		if (status >= 400) {
			const codes = (documented?.description ?? '').replace('Problem: ', '').split(', ').concat(ANYWHERE[status] ?? []);
			if (status in ANYWHERE && !answer.json) return;
			if (!codes.includes(answer.json?.code)) throw new Error(`${what}: code ${answer.json?.code} is not documented`);
			if (documented?.headers?.['Retry-After'] && !/^\d+$/.test(answer.headers.get('retry-after'))) throw new Error(`${what}: no Retry-After`);
			const wrong = check(doc.components.schemas.Problem, answer.json);
			if (wrong.length > 0) throw new Error(`${what}: ${wrong.join('; ')}`);
			return;
		}
		if (!documented) throw new Error(`${what} is not documented`);
		for (const name of Object.keys(documented.headers ?? {}))
			if (!answer.headers.get(name)) throw new Error(`${what}: no header ${name}`);
		const schema = documented.content?.['application/json']?.schema;
		if (!schema !== !answer.json) throw new Error(`${what}: ${schema ? 'no JSON' : 'JSON that is not documented'}`);
		const wrong = schema ? check(schema, answer.json) : [];
		if (wrong.length > 0) throw new Error(`${what}: ${wrong.join('; ')}`);
	}

	return { doc, operations, find, check, judge };
}
