// A small site for client libraries: forms, frames, popups, dialogs, workers.
import http from 'node:http';

const html = (text) => ['text/html', `<!doctype html><meta charset=utf-8>${text}`];
const script = (text) => ['text/javascript', text];

const pages = {
	'/': html('<title>site</title><h1>hello</h1><a href=/next id=next>next</a>'),
	'/next': html('<title>next</title><p>next page'),
	'/form': html(`<title>form</title><input id=name><button id=go onclick="setTimeout(() => {
		document.body.append(Object.assign(document.createElement('p'), { id: 'said', textContent: 'hello ' + document.getElementById('name').value })) }, 50)">go</button>`),
	'/frame': html('<title>outer</title><iframe src=/inner name=inner></iframe>'),
	'/inner': html('<p id=inside>inside</p>'),
	'/popup': html('<title>opener</title><button id=open onclick="window.open(\'/next\')">open</button>'),
	'/first': html('<title>first</title><script>document.title = window.prepared ? "prepared" : "missed"</script>'),
	'/talk': html('<title>talk</title><script>console.log("said", 42); console.error("bad")</script>'),
	'/fetches': html('<title>fetches</title><script>fetch("/data").then((r) => r.text()).then((t) => (document.title = t))</script>'),
	'/data': ['text/plain', 'real data'],
	'/worker': html('<title>worker</title><script>new Worker("/worker.js").onmessage = (e) => (document.title = e.data)</script>'),
	'/worker.js': script('self.secret = 7; postMessage("worker runs")'),
	'/service': html('<title>service</title><script>navigator.serviceWorker.register("/service.js").then(() => navigator.serviceWorker.ready).then(() => (document.title = "ready"))</script>'),
	'/service.js': script('self.kind = "service"'),
	'/shared': html('<title>shared</title><script>const w = new SharedWorker("/shared.js"); w.port.onmessage = (e) => (document.title = e.data); w.port.start()</script>'),
	'/cross': html('<title>cross</title><script>document.write(`<iframe name=other src="http://localhost:${location.port}/inner"></iframe>`)</script>'),
	'/choose': html('<title>choose</title><input type=file id=file onchange="document.title = this.files[0].name">'),
	'/downloads': html('<title>downloads</title><a id=get href=/download>get</a>'),
	'/download': ['application/octet-stream', 'downloaded bytes'],
	'/shared.js': script('onconnect = (e) => e.ports[0].postMessage("shared runs")'),
};

export async function startSite() {
	const site = { asked: [] }; // paths, in order
	const server = http.createServer((request, response) => {
		const { pathname } = new URL(request.url, 'http://site');
		site.asked.push(pathname);
		if (pathname === '/download') response.setHeader('content-disposition', 'attachment; filename=pensum-downloaded.bin');
		if (pathname === '/cookies') response.setHeader('set-cookie', 'from=site; Path=/');
		const [type, text] = pages[pathname] ?? html(`<title>${pathname.slice(1)}</title>`);
		response.setHeader('content-type', type).end(text);
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	site.url = `http://127.0.0.1:${server.address().port}`;
	site.stop = () => { server.closeAllConnections(); server.close(); };
	return site;
}
