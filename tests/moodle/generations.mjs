// What the generations of Moodle show differently.
//
//   datesRegion       the activity's page has its dates in a region of their own
//   controlsOnTop     and the controls above the state, not below it
//   innerHeader       the page's header is the activity's, not the course's, and stands before the dates and description
//   timeClass         the cell of the time that remains has a class of its own, and words beside the time
//   courseConfig      M.cfg tells the course
//   config            and the user's id and the base of the newer API
//   extensionEvents   the calendar has an event for an extension that was granted
//   activityNames     and the activity's name beside the event's
//   overview          the list of assignments is part of the course's overview
//   nearDays          where a day that is near is told in words
const SINCE_4_0 = { controlsOnTop: true, innerHeader: true, timeClass: true, courseConfig: true, activityNames: true };
const GENERATIONS = {
	'3.9': {},
	'3.11': { datesRegion: true },
	'4.2': { datesRegion: true, ...SINCE_4_0 },
	'4.5': { datesRegion: true, ...SINCE_4_0, config: true, extensionEvents: true },
	'5.0': { datesRegion: true, ...SINCE_4_0, config: true, extensionEvents: true, overview: true },
	'5.1': { datesRegion: true, ...SINCE_4_0, config: true, extensionEvents: true, overview: true, nearDays: true },
};

export const generations = Object.keys(GENERATIONS);
export const revisionOf = (ctx) => generations.indexOf(ctx.generation) + 1; // grows with each upgrade
export const isGeneration = (generation) => Object.hasOwn(GENERATIONS, generation);
export const shows = (ctx, what) => GENERATIONS[ctx.generation][what] === true;
