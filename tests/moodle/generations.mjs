// What the generations of Moodle show differently.
//
//   datesRegion       the activity's page has its dates in a region of their own
//   controlsOnTop     and the controls above the state, not below it
//   config            M.cfg tells the user's id and the base of the newer API
//   extensionEvents   the calendar has an event for an extension that was granted
//   activityNames     and the activity's name beside the event's
//   overview          the list of assignments is part of the course's overview
const GENERATIONS = {
	'3.9': {},
	'3.11': { datesRegion: true },
	'4.2': { datesRegion: true, controlsOnTop: true, activityNames: true },
	'4.5': { datesRegion: true, controlsOnTop: true, activityNames: true, config: true, extensionEvents: true },
	'5.0': {
		datesRegion: true, controlsOnTop: true, activityNames: true, config: true, extensionEvents: true, overview: true,
	},
};

export const generations = Object.keys(GENERATIONS);
export const isGeneration = (generation) => Object.hasOwn(GENERATIONS, generation);
export const shows = (ctx, what) => GENERATIONS[ctx.generation][what] === true;
