# What every benchmark needs before it can measure; sourced by the scripts beside this folder.
#
#	prepare_packages name…		Debian packages, installed if they are missing
#	prepare_modules name@version…	npm modules, into $npm/node_modules
#	prepare_build target…		release build of ours, in $build
#
# Builds go to $PENSUM_BUILD_ROOT (default build/ of this tree).
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
root=${PENSUM_BUILD_ROOT:-$tree/build}
build=$root/bench
npm=$root/npm

prepare_packages()
{
	local missing=() sudo=() p

	command -v node > /dev/null || set -- "$@" nodejs
	command -v npm > /dev/null || set -- "$@" npm
	for p in "$@"; do
		dpkg-query -W -f='${Status}' "$p" 2> /dev/null | grep -q 'ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "installing ${missing[*]}" >&2
	[ "$(id -u)" = 0 ] || sudo=(sudo)
	"${sudo[@]}" apt-get -q update >&2
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get -q -y --no-install-recommends install "${missing[@]}" > /dev/null
}

# In a folder of its own: npm removes what an install does not name.
prepare_modules()
{
	local m missing=

	npm=$root/npm-bench-$(basename "$0")
	for m in "$@"; do
		[ -d "$npm/node_modules/${m%@*}" ] || missing=yes
	done
	[ -n "$missing" ] || return 0
	mkdir -p "$npm"
	npm install --no-save --no-audit --no-fund --prefix "$npm" "$@" >&2
}

prepare_build()
{
	cmake -S "$tree" -B "$build" -G Ninja -C "$tree/.ci/presets/release.cmake" -DBUILD_TESTING=OFF > /dev/null
	ninja --quiet -C "$build" "$@" >&2
}
