// The ajax functions that list courses and the activities of a course.
import { visibleAssigns } from './assignments.mjs';
import { MoodleError, checkArgs } from './errors.mjs';
import { formatString } from './strings.mjs';

const IMAGE_BYTES = 7600;

// Courses without a picture get a generated pattern of about 10 KB, as a data URI.
function courseImage(course) {
	const hue = (course.id * 47) % 360;
	const circle = `<circle cx="10" cy="10" r="9" fill="hsl(${hue} 50% 60%)"/>`;
	const pattern = circle.repeat(Math.ceil(IMAGE_BYTES / circle.length));
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="100%">${pattern}</svg>`;
	return `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`;
}

export function courseRecord(ctx, course) {
	const { username } = ctx.session.user;
	const name = formatString(course.fullname);
	return {
		id: course.id, fullname: name, shortname: formatString(course.shortname),
		idnumber: '', summary: course.summary, summaryformat: 1,
		startdate: course.startdate, enddate: course.enddate, visible: course.visible,
		showactivitydates: true, showcompletionconditions: true, pdfexportfont: '',
		fullnamedisplay: name, viewurl: `${ctx.wwwroot}/course/view.php?id=${course.id}`,
		courseimage: courseImage(course), progress: 0, hasprogress: false,
		isfavourite: course.favourite_of.includes(username),
		hidden: course.hidden_by.includes(username),
		showshortname: false, coursecategory: formatString(course.category),
	};
}

const isPast = (ctx, c) => c.enddate !== 0 && c.enddate < ctx.now;
const isFuture = (ctx, c) => c.startdate > ctx.now;

const CLASSES = {
	allincludinghidden: () => true,
	all: (ctx, c, isHidden) => !isHidden,
	hidden: (ctx, c, isHidden) => isHidden,
	past: (ctx, c, isHidden) => !isHidden && isPast(ctx, c),
	future: (ctx, c, isHidden) => !isHidden && isFuture(ctx, c),
	inprogress: (ctx, c, isHidden) => !isHidden && !isPast(ctx, c) && !isFuture(ctx, c),
	favourites: (ctx, c, isHidden) => !isHidden && c.favourite_of.includes(ctx.session.user.username),
	search: (ctx, c, isHidden, args) => !isHidden && c.fullname.toLowerCase().includes((args.searchvalue ?? '').toLowerCase()),
	customfield: () => false,
};

export function coursesByTimeline(ctx, args) {
	checkArgs(args, ['classification'], [
		'limit', 'offset', 'sort', 'customfieldname', 'customfieldvalue', 'searchvalue', 'requiredfields',
	]);
	const { classification, limit = 0, offset = 0 } = args;
	if (!Object.hasOwn(CLASSES, classification)) throw new MoodleError('invalidparameter');
	const { user } = ctx.session;
	if (user.isGuest) return { courses: [], nextoffset: 0 };
	const found = ctx.site.coursesOf(user)
		.filter((c) => CLASSES[classification](ctx, c, c.hidden_by.includes(user.username), args))
		.sort((a, b) => a.fullname.localeCompare(b.fullname) || a.id - b.id);
	const courses = found.slice(offset, limit > 0 ? offset + limit : undefined);
	return { courses: courses.map((c) => courseRecord(ctx, c)), nextoffset: offset + courses.length };
}

// core_courseformat_get_state: JSON inside JSON, activities without dates and status.
export function courseState(ctx, args) {
	checkArgs(args, ['courseid']);
	const course = ctx.site.courses.get(Number(args.courseid));
	if (!course || !ctx.site.coursesOf(ctx.session.user).includes(course)) throw new MoodleError('requireloginerror');
	const assigns = visibleAssigns(ctx, course).filter((a) => !a.stealth);
	const sections = [...new Set(assigns.map((a) => a.section))];
	return JSON.stringify({
		course: {
			id: String(course.id), numsections: sections.length,
			baseurl: `${ctx.wwwroot}/course/view.php?id=${course.id}`,
		},
		section: sections.map((title, i) => ({
			id: String(course.id * 100 + i), section: i, number: i, title: formatString(title), visible: true,
			cmlist: assigns.filter((a) => a.section === title).map((a) => String(a.cmid)),
		})),
		cm: assigns.map((a) => ({
			id: String(a.cmid), name: formatString(a.name), visible: true, stealth: false, module: 'assign', plugin: 'mod_assign',
			sectionid: String(course.id * 100 + sections.indexOf(a.section)), sectionnumber: sections.indexOf(a.section),
			uservisible: true, accessvisible: true, hascmrestrictions: false,
			url: `${ctx.wwwroot}/mod/assign/view.php?id=${a.cmid}`,
		})),
	});
}
