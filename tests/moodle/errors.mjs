// What an ajax function throws; the errorcode is what clients compare, the message is localised.
export class MoodleError extends Error {
	constructor(errorcode, message = errorcode) {
		super(message);
		this.errorcode = errorcode;
	}
}

// Moodle refuses arguments that a function does not declare, and misses required ones.
export function checkArgs(args, required, optional = []) {
	const known = [...required, ...optional];
	const isFine = required.every((name) => Object.hasOwn(args, name))
		&& Object.keys(args).every((name) => known.includes(name));
	if (!isFine) throw new MoodleError('invalidparameter');
}
