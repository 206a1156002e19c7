// The demo's script: what it makes of an address that was copied from a browser.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';

const script = fs.readFileSync(new URL('../../deploy/demo', import.meta.url), 'utf8');
const [siteOf] = /^site_of\(\) \{[^]*?^\}$/m.exec(script);
const siteOfAddress = address => execFileSync('bash', ['-euc', `${siteOf}\nsite_of "$1"`, 'demo', address], { encoding: 'utf8' });

test('the address of a page of Moodle names its site', () => {
	const site = 'https://moodle.example/sub';
	for (const page of ['', '/', '  ', '/login/index.php', '/my/', '/my/courses.php', '/course/view.php?id=3#section-1',
		'/mod/assign/view.php?id=5', '/?redirect=0']) {
		assert.equal(siteOfAddress(site + page), site, page);
	}
});

test('a site whose folder is called like one of Moodle\'s keeps it', () => {
	for (const site of ['https://my.example/my', 'https://moodle.example/course', 'https://login']) {
		assert.equal(siteOfAddress(site), site);
	}
});
