// usage: node observatory.mjs FOLDER HTTP-PORT HTTPS-PORT COOKIES PATH…   prints grade and score of each page as JSON
// The scanner of MDN's HTTP Observatory, on ports of this machine, behind a login, and on pages that are errors.
const [folder, httpPort, httpsPort, cookie, ...paths] = process.argv.slice(2);
const inside = (name) => import(`${folder}/node_modules/@mdn/mdn-http-observatory/src/${name}.js`);
const { retrieve } = await inside("retriever/retriever");
const { ALL_TESTS } = await inside("constants");
const { MINIMUM_SCORE_FOR_EXTRA_CREDIT } = await inside("grader/charts");
const { getGradeForScore, getScoreModifier } = await inside("grader/grader");

async function judged(path) {
  const seen = await retrieve("localhost", {
    path,
    headers: ["Accept: */*", ...(cookie ? [`Cookie: ${cookie}`] : [])],
    httpPort: Number(httpPort),
    httpsPort: Number(httpsPort),
  });
  const results = ALL_TESTS.map((test) => test(seen)).filter((it) => it.result);
  const points = results.map((it) => getScoreModifier(it.result));
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 100);
  const lost = sum(points.filter((it) => it < 0));
  const { grade, score } = getGradeForScore(
    lost >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? sum(points) : lost,
  );
  return {
    status: seen.responses.auto.status,
    grade,
    score,
    lost: results.filter((_, n) => points[n] < 0).map((it) => it.result),
  };
}

const all = {};
for (const path of paths) all[path] = await judged(path);
console.log(JSON.stringify(all));
