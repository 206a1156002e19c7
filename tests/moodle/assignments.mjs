// What one student's assignment is in: its status, its dates, and what the student may still do.

const NOTHING = { status: 'none' };

// What page() wants to know of an assignment.
export function courseOptions(assign) {
	return { course: assign.course, assign };
}

// 'hidden' (or restricted), or 'open': also what the course page hides but a link may open.
export function accessOf(ctx, assign) {
	if (ctx.site.isTeacher(ctx.session.user, assign.course)) return 'open';
	return assign.visible && !assign.restricted ? 'open' : 'hidden';
}

export function visibleAssigns(ctx, course) {
	return course.assignments.filter((a) => accessOf(ctx, a) !== 'hidden');
}

// The state of an assignment for a student. `status` is Moodle's: none, draft, submitted,
// reopened, marked; "graded" in the data is a submission that has a grade.
export function stateOf(ctx, assign) {
	const { username } = ctx.session.user;
	const ordered = ctx.control.knobs.status[username]?.[assign.cmid];
	const changes = typeof ordered === 'string' ? { status: ordered } : ordered;
	const state = { ...NOTHING, ...assign.students[username], ...changes };
	if (state.status === 'graded') {
		state.status = 'submitted';
		state.grade ??= Math.round(assign.max_grade * 0.8);
	}
	const due = 'due' in state ? state.due : assign.due;
	const deadline = due === null ? null : Math.max(due, state.extension ?? 0);
	const cutoff = assign.cutoff === null ? null : Math.max(assign.cutoff, state.extension ?? 0);
	return {
		...state,
		due,
		deadline,
		submitted: state.status === 'submitted' || state.status === 'marked',
		isGraded: state.grade !== undefined,
		isGradeShown: state.grade !== undefined && !state.grade_hidden,
		attempt: state.attempt ?? (state.status === 'reopened' ? 2 : 1),
		notOpen: assign.opens !== null && assign.opens > ctx.now,
		cutOff: cutoff !== null && cutoff < ctx.now,
	};
}

// The values of input[name=action] that the page offers, in order (the table of states).
export function actionsOf(assign, state) {
	const closed = state.notOpen || state.cutOff || state.locked || assign.offline || state.no_team;
	if (closed) return [];
	switch (state.status) {
	case 'draft':
		if (state.own_part_done || !assign.drafts) return ['editsubmission', 'removesubmissionconfirm'];
		return ['submit', 'editsubmission', 'removesubmissionconfirm'];
	case 'submitted':
	case 'marked':
		return assign.drafts ? [] : ['editsubmission', 'removesubmissionconfirm'];
	case 'reopened':
		return ['editprevioussubmission', 'editsubmission'];
	default:
		return ['editsubmission'];
	}
}

export const introIsHidden = (assign, state) => Boolean(assign.hide_intro && state.notOpen);

export function viewUrl(ctx, assign) {
	return `${ctx.wwwroot}/mod/assign/view.php?id=${assign.cmid}`;
}
