/* Draws the charts of the page, and moves all of them through time. */
const told = JSON.parse(document.getElementById("told").textContent);
const drawn = [];

function show(place, options) {
  const chart = echarts.init(place, null, { renderer: "svg" });
  chart.setOption(options);
  new ResizeObserver(() => chart.resize()).observe(place);
  drawn.push({ chart, options });
  return drawn.at(-1);
}

/* The last place whose number is not above the step. */
function reached(numbers, step) {
  return Math.max(numbers.findLastIndex((number) => number <= step), 0);
}

function mark({ chart, options }, step) {
  const columns = options.xAxis.data;
  const at = columns ? String(columns[reached(columns, step)]) : step;
  const line = { ...told.mark, data: [{ xAxis: at }] };
  chart.setOption({ series: [{ markLine: line }] });
}

const slider = document.getElementById("step");
const shown = document.getElementById("at");

function move() {
  const step = Number(slider.value);
  shown.textContent = step.toLocaleString("en-US");
  drawn.forEach((each) => mark(each, step));
  if (!told.moments.length) return;
  const moment = told.moments[reached(told.moments.map((each) => each.step), step)];
  document.getElementById("moment").textContent = moment.step.toLocaleString("en-US");
  const rows = document.querySelectorAll("#layers tbody tr");
  moment.rows.forEach((cells, place) =>
    cells.forEach((cell, column) => (rows[place].children[column].textContent = cell)));
}

for (const place of document.querySelectorAll("[data-charts]")) {
  const offered = told.charts[place.dataset.charts];
  const each = show(place, Object.values(offered)[0]);
  const choice = document.querySelector(`select[data-of="${place.dataset.charts}"]`);
  choice?.addEventListener("change", () => {
    each.options = offered[choice.value];
    each.chart.setOption(each.options, { notMerge: true });
    move();
  });
}
slider.addEventListener("input", move);
move();
