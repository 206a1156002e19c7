// A calendar feed as an independent reader (ical.js, installed by tests/run) understands it, and what
// RFC 5545 asks beyond that.
//
//   const feed = await readFeed(url);        { status, headers, text, name, events, faults }
//   feed.events[0]                           { uid, summary, description, due, url, categories, status,
//                                              sequence, changed, alarms: ['-P1D', …] }
//   feed.faults                              what no calendar should be given; must be empty
import { createRequire } from 'node:module';
import path from 'node:path';
import { fetch } from './waiting.mjs';

const modules = process.env.NPM_MODULES;
const ICAL = modules ? createRequire(path.join(modules, 'ical.js', 'x'))('ical.js') : null;

// Why a feed cannot be read here, or false.
export const missingReader = ICAL ? false : 'ical.js is not in NPM_MODULES (tests/run installs it)';

const ONCE = { vcalendar: ['prodid', 'version'], vevent: ['uid', 'dtstamp', 'dtstart', 'summary'], valarm: ['action', 'trigger', 'description'] };

function faultsOf(text, calendar) {
	const faults = [];
	const lines = text.split('\r\n');
	if (lines.pop() !== '') faults.push('the last line has no end');
	for (const line of lines) {
		if (Buffer.byteLength(line) > 75) faults.push(`longer than 75 octets: ${line}`);
		if (/[\0-\x1f\x7f-\x9f\u2028\u2029\ufffd]/.test(line)) faults.push(`control character: ${JSON.stringify(line)}`);
	}
	const visit = (component) => {
		for (const name of ONCE[component.name] ?? []) {
			if (component.getAllProperties(name).length !== 1) faults.push(`${component.name} has not one ${name}`);
		}
		component.getAllSubcomponents().forEach(visit);
	};
	visit(calendar);
	if (calendar.getFirstProperty('method')) faults.push('METHOD: a feed is no message');
	if (calendar.getAllSubcomponents().length === 0) faults.push('no component');
	const uids = calendar.getAllSubcomponents('vevent').map((event) => event.getFirstPropertyValue('uid'));
	if (new Set(uids).size !== uids.length) faults.push('a UID stands twice');
	for (const event of calendar.getAllSubcomponents('vevent')) {
		if (event.getFirstProperty('dtstart').jCal[3].at(-1) !== 'Z') faults.push('a time is not in UTC');
	}
	return faults;
}

function eventOf(component) {
	const value = (name) => component.getFirstPropertyValue(name);
	const time = (name) => value(name).toJSDate().toISOString().replace('.000Z', 'Z');
	return {
		uid: value('uid'), summary: value('summary'), description: value('description'), url: value('url'),
		categories: component.getFirstProperty('categories').getValues(), status: value('status'), transp: value('transp'),
		sequence: value('sequence'), due: time('dtstart'), changed: time('last-modified'), stamp: time('dtstamp'),
		alarms: component.getAllSubcomponents('valarm').map((alarm) => alarm.getFirstPropertyValue('trigger').toString()),
	};
}

function parseFeed(text) {
	const calendar = new ICAL.Component(ICAL.parse(text)); // throws on what it does not understand
	return { name: calendar.getFirstPropertyValue('name'), description: calendar.getFirstPropertyValue('description'),
		events: calendar.getAllSubcomponents('vevent').map(eventOf), faults: faultsOf(text, calendar) };
}

export async function readFeed(url, headers = {}, method = 'GET') {
	const response = await fetch(url, { method, headers, redirect: 'manual' });
	const text = await response.text();
	const isFeed = response.status === 200 && method === 'GET';
	return { status: response.status, headers: response.headers, text, ...(isFeed && parseFeed(text)) };
}
