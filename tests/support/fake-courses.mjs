// The made-up courses of fake-api.mjs, and what is in them.

export const HOUR = 3_600_000;
const DAY = 24 * HOUR;

// [id, name, short name, state, more]
export const COURSES = [
	[11, 'Algorithms and Data Structures', 'CS201', 'inprogress', { starred: true }],
	[12, 'Statistics & Probability', 'MA110', 'inprogress', {}],
	[13, 'History of the Book', 'HI305', 'inprogress', {}],
	[14, 'Drawing for Everyone', 'AR001', 'inprogress', {}],
	[15, 'Einführung in die <b>Sprachwissenschaft</b> — Zwischen Donaudampfschifffahrtsgesellschaft und अक्षर',
		'LI-100/24W', 'future', {}],
	[16, 'Physics for Engineers I', 'PH101', 'past', {}],
	[17, 'Library introduction', 'LIB', 'inprogress', { hidden: true }],
];
// course -> [id, name, section, due in ms or null, status, pending, reason]
export const ASSIGNMENTS = {
	11: [
		[301, 'Sorting algorithms: measure and explain', 'Week 1: Sorting', -2 * DAY, 'none', true],
		[302, 'Graph search on a city map', 'Week 3: Graphs', 1.25 * DAY, 'draft', true],
		[303, 'Reading: complexity classes', 'Week 4', null, 'none', true],
		[304, 'Warm-up: big-O notation', 'Week 1: Sorting', -20 * DAY, 'graded', false, 'Graded.'],
	],
	12: [
		[401, 'Problem sheet 5: hypothesis tests', 'Sheets', 3 * DAY, 'none', true],
		[402, 'R exercise: plotting', 'Computer lab', 5 * DAY + 2 * HOUR, 'reopened', true],
		[403, 'Group project: survey design', 'Project', 12 * DAY, 'none', true],
		[406, 'Problem sheet 4: confidence intervals', 'Sheets', -4 * DAY, 'submitted', false, 'Submitted for grading.'],
	],
	13: [
		[501, 'Essay: the printing press', 'Print culture', -5 * HOUR, 'none', true],
		[502, 'Source criticism: a letter of 1525', 'Print culture', 6.9 * DAY, 'none', true],
		[503, 'מטלה 3: ניתוח מקור (draft 2)', 'שבוע 4 (Print)', 9 * DAY, 'none', true],
		[504, 'Presentation slot', 'Seminar', 15 * DAY, 'unknown', null, 'The status table on this page could not be understood.'],
	],
	14: [[601, 'Portfolio: ten sketches', 'Portfolio', 10 * DAY, 'none', true]],
	15: [[701, 'Transcribe a dialect recording', 'Phonetics', 40 * DAY, 'none', true]],
	16: [],
};

// course -> [id, kind, event, name, due in ms, whether it is open]
export const ACTIVITIES = {
	11: [[801, 'quiz', 'close', 'Quiz: heaps and priority queues', 2 * DAY, true],
		[802, 'forum', 'due', 'Introduce yourself', -3 * DAY, true]],
	15: [[803, 'workshop', 'closesubmission', 'ורקשופ: כתיבה משותפת — חלק א׳ (Part 1)', 6 * DAY, false],
		[804, 'lesson', 'close', `Lektion über ${'Donaudampfschifffahrtsgesellschaftskapitäns'.repeat(3)}mütze`, 30 * DAY, true]],
};
