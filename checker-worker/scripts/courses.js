// courses.js - the course list of the signed-in student (course_list.js).
//
// args {wwwroot, sesskey?}
// ok   {user: {id}, sesskey, courses}
// fail session_dead must_change_password policy_agreement_needed profile_incomplete mfa_needed
//	maintenance site_down not_understood

async function run(args) {
	return answer(args, async () => {
		const { sesskey, userid, courses } = await readCourseList(args.sesskey);
		return { user: { id: userid }, sesskey, courses };
	});
}
