// signout.js - ends the student's Moodle session.
//
// args {wwwroot}
// ok   {ended}		false: it had ended already
//
// Two requests: the sign-in page, the lightest one with the sesskey of who is signed in already, and
// the sign-out. Some builds send the signed-in on from there: then Moodle's own question has it.

async function run(args) {
	return answer(args, async () => {
		const sesskey = await sesskeyToSignOut('/login/index.php') ?? await sesskeyToSignOut('/login/logout.php');
		if (!sesskey) return { ended: false };
		await request(`/login/logout.php?sesskey=${encodeURIComponent(sesskey)}`, { redirect: 'manual' });
		return { ended: true };
	});
}

// Of the form that signs out; null where there is none.
async function sesskeyToSignOut(path) {
	const answered = await request(path, { redirect: 'manual' });
	if (answered.response.type === 'opaqueredirect') return null;
	const page = pageOf(answered);
	expectAnswer(page);
	return page.doc.querySelector('form[action*="/login/logout.php"] input[name=sesskey]')?.value ?? null;
}
