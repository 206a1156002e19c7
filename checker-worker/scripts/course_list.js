// course_list.js - the courses that the signed-in student is enrolled in.
//
// Each is {id, name, shortname, url, category, start, end, progress, hidden, starred, state}:
//	start, end	epoch seconds or null
//	progress	0..100, or null where the course does not track completion
//	hidden		the student took the course off the dashboard (it may still ask for work)
//	state		"inprogress" | "past" | "future", by the dates alone; work can be due in any
//
// "all" would leave out what the student took off the dashboard, so it is "allincludinghidden".

const PAGE_SIZE = 100;
const MAX_COURSES = 2000;
const FRONT_PAGE = 1; // is a course to Moodle, and nobody's
const MAX_UNITS = 340; // of a text: 1 KB in UTF-8, as checker-worker/records.c takes

// {sesskey, userid, courses}. Without a (living) sesskey one is read from a light page.
async function readCourseList(knownSesskey) {
	const { sesskey, userid, answered, errorcode } = await openCourseList(knownSesskey);
	const courses = answered ? (await allCourses(sesskey, answered)).map(describeCourse) : await coursesOfProfile(errorcode);
	return { sesskey, userid, courses };
}

const isAlive = { methodname: 'core_session_time_remaining', args: {} };
const coursesFrom = (offset) => ({
	methodname: 'core_course_get_enrolled_courses_by_timeline_classification',
	args: { classification: 'allincludinghidden', limit: PAGE_SIZE, offset, sort: 'fullname' },
});

// The first page of courses, together with the question who we are: a guest would get an empty
// list too, and "no courses" must be true.
async function firstPage(sesskey) {
	const [who, courses] = await ajax(sesskey, [isAlive, coursesFrom(0)]);
	return { errorcode: who.errorcode ?? courses?.errorcode ?? (courses ? '' : 'unknown'),
		userid: who.data?.userid, courses: courses?.data };
}

// Every half-signed-in state fails with some error code of its own; a page tells which it is.
async function openCourseList(knownSesskey) {
	let sesskey = knownSesskey || (await fetchSignedInDoc(LIGHT_PAGE)).sesskey;
	let first = await firstPage(sesskey);
	if (first.errorcode === 'servicerequireslogin') throw sessionDead('servicerequireslogin');
	if (first.errorcode) {
		sesskey = (await fetchSignedInDoc(LIGHT_PAGE)).sesskey;
		first = await firstPage(sesskey);
	}
	if (first.userid === undefined) throw notUnderstood(`course list: ${first.errorcode}`);
	if (!first.userid) throw sessionDead('a guest session');
	return { sesskey, userid: first.userid, answered: first.courses, errorcode: first.errorcode };
}

async function allCourses(sesskey, answered) {
	const byId = new Map();
	let offset = 0;
	for (;;) {
		if (!Array.isArray(answered?.courses)) throw notUnderstood('course list: no courses');
		for (const course of answered.courses) byId.set(course.id, course);
		const isLast = answered.courses.length < PAGE_SIZE || !(answered.nextoffset > offset);
		if (isLast || byId.size >= MAX_COURSES) return [...byId.values()];
		offset = answered.nextoffset;
		const [next] = await ajax(sesskey, [coursesFrom(offset)]);
		if (next.errorcode) throw notUnderstood(`course list from ${offset}: ${next.errorcode}`);
		answered = next.data;
	}
}

// One course with a value that Moodle itself finds invalid takes the whole answer away. The student's own
// profile names all courses, but has no dates. Without any, "no courses" would be a guess.
async function coursesOfProfile(errorcode) {
	const page = await fetchSignedInDoc('/user/profile.php?showallcourses=1');
	const names = new Map();
	for (const link of page.doc.querySelectorAll('[role="main"] a[href*="/user/view.php?"]')) {
		const id = Number(new URL(link.getAttribute('href'), page.url).searchParams.get('course'));
		if (id > FRONT_PAGE) names.set(id, clip(visibleText(link), MAX_UNITS));
	}
	if (names.size === 0) throw notUnderstood(`course list: ${errorcode}`);
	return [...names].slice(0, MAX_COURSES).map(([id, name]) => ({ ...describeCourse({ id }), name }));
}

function stateOf({ startdate, enddate }) {
	const now = Date.now() / 1000;
	if (enddate > 0 && enddate < now) return 'past';
	return startdate > now ? 'future' : 'inprogress';
}

const describeCourse = (course) => ({
	id: course.id,
	name: clip(plainText(course.fullname), MAX_UNITS),
	shortname: clip(plainText(course.shortname), MAX_UNITS),
	url: course.viewurl || `${site.root}/course/view.php?id=${course.id}`,
	category: clip(plainText(course.coursecategory), MAX_UNITS),
	start: course.startdate > 0 ? course.startdate : null,
	end: course.enddate > 0 ? course.enddate : null,
	progress: course.hasprogress && Number.isFinite(course.progress) ? course.progress : null,
	hidden: course.hidden === true,
	starred: course.isfavourite === true,
	state: stateOf(course),
});
