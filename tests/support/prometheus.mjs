// A strict reader of Prometheus's text format 0.0.4: what a scraper would forgive is an error here.
//
//   const metrics = parseMetrics(text);
//   metrics.value('jobs_waiting', { queue: 'checker' })      a number; undefined: no such series
//   metrics.families.get('jobs_waiting')                     { type, help, series: [{ name, labels, value }] }
//
// It throws unless each family has HELP, then TYPE, then all of its samples and nothing between them;
// names, labels and values are well formed; no series comes twice; counters are not negative and
// end in _total; histograms have ascending bounds, growing counts and +Inf equal to _count.
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary'];

function parseLabels(text, line) {
	const labels = {};
	let at = 0;
	while (at < text.length) {
		const part = /^([^=]+)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/.exec(text.slice(at));
		if (!part || !LABEL.test(part[1])) throw new Error(`labels of: ${line}`);
		if (part[1] in labels) throw new Error(`label ${part[1]} twice: ${line}`);
		labels[part[1]] = part[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
		at += part[0].length;
		if (part[3] === ',' && at === text.length) throw new Error(`comma at the end: ${line}`);
	}
	return labels;
}

function parseValue(text, line) {
	const special = { NaN, '+Inf': Infinity, '-Inf': -Infinity };
	if (text in special) return special[text];
	if (!/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) throw new Error(`value of: ${line}`);
	return Number(text);
}

const keyOf = (name, labels) => JSON.stringify([name, Object.entries(labels).sort()]);

function checkHistogram(name, family) {
	const groups = new Map();
	for (const { name: series, labels: { le, ...labels }, value } of family.series) {
		const key = JSON.stringify(Object.entries(labels).sort());
		const group = groups.get(key) ?? groups.set(key, { buckets: [] }).get(key);
		if (series === `${name}_bucket`) group.buckets.push([parseValue(le ?? '', `${name} le=${le}`), value]);
		else if (series === `${name}_sum`) group.sum = value;
		else if (series === `${name}_count`) group.count = value;
	}
	for (const [key, { buckets, sum, count }] of groups) {
		if (sum === undefined || count === undefined || buckets.length === 0) throw new Error(`${name}${key} is not whole`);
		buckets.forEach(([bound, value], i) => {
			if (i > 0 && !(bound > buckets[i - 1][0])) throw new Error(`${name}${key}: bounds do not ascend`);
			if (i > 0 && value < buckets[i - 1][1]) throw new Error(`${name}${key}: counts fall at ${bound}`);
		});
		const [bound, value] = buckets.at(-1);
		if (bound !== Infinity || value !== count) throw new Error(`${name}${key}: +Inf is not the count`);
	}
}

function checkFamily(name, family) {
	const allowed = { histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] }[family.type] ?? [''];
	for (const { name: series, value } of family.series) {
		if (!allowed.some((suffix) => series === name + suffix)) throw new Error(`${series} in family ${name}`);
		if (family.type === 'counter' && !(value >= 0)) throw new Error(`${series} is ${value}`);
	}
	if (family.type === 'counter' && !name.endsWith('_total')) throw new Error(`counter ${name}`);
	if (family.type === 'gauge' && name.endsWith('_total')) throw new Error(`gauge ${name}`);
	if (family.type === 'histogram') checkHistogram(name, family);
}

export function parseMetrics(text) {
	if (!text.endsWith('\n')) throw new Error('no line end at the end');
	const families = new Map(), seen = new Map();
	let name = null, family = null;
	for (const line of text.slice(0, -1).split('\n')) {
		const help = /^# HELP (\S+) (.+)$/.exec(line), type = /^# TYPE (\S+) (\S+)$/.exec(line);
		if (help) {
			if (family && !family.type) throw new Error(`${name} has no TYPE`);
			[, name] = help;
			if (!NAME.test(name) || families.has(name)) throw new Error(`family ${name} twice, or no name`);
			families.set(name, family = { help: help[2], type: null, series: [] });
		} else if (type) {
			if (type[1] !== name || family.type || family.series.length > 0 || !TYPES.includes(type[2]))
				throw new Error(`out of place: ${line}`);
			family.type = type[2];
		} else {
			const sample = SAMPLE.exec(line);
			if (!sample) throw new Error(`not understood: ${JSON.stringify(line)}`);
			if (!family?.type || !sample[1].startsWith(name)) throw new Error(`outside of its family: ${line}`);
			const labels = parseLabels(sample[2] ?? '', line), value = parseValue(sample[3], line);
			const key = keyOf(sample[1], labels);
			if (seen.has(key)) throw new Error(`twice: ${line}`);
			seen.set(key, value);
			family.series.push({ name: sample[1], labels, value });
		}
	}
	for (const [each, of] of families) checkFamily(each, of);
	return { families, value: (series, labels = {}) => seen.get(keyOf(series, labels)) };
}
