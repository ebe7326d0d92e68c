// What tests/test_bases_on_a_circle.py asks of the page, in it; `questions`, `NAMES` and `TRAINED` come
// from there, and the answers go back as the text of the element "answers".
const answers = {};
answers.losses = questions.map(({ points, settings }) => {
  const alone = name => LOSSES[name].at(-1)[1](points, settings);
  const found = Object.fromEntries(Object.keys(NAMES).map(name => [name, alone(name)]));
  return { found, centers: movedCenters(points, 0.5) };
});
answers.together = questions.map(({ points, settings }) =>
  evaluate(points, { ...settings, loss: "center", between: true }));

const toy = toyData();
answers.toy = toy;
answers.trained = Object.fromEntries(TRAINED.map(loss => {
  const own = { ...settings, loss, M: 24, lambda: 0.02 };
  const state = { weights: initialWeights(0, own), centers: zeros(8, 2), memory: {}, step: 0 };
  const before = structuredClone(state.weights), random = generator(7);
  const batches = [1, 2, 3, 4, 5].map(() => drawBatch(random, toy.labels, 24, loss));
  const cost = trainOn(state, toy, batches, own);
  const epochs = trainToy(0, own).map(snapshot => snapshot.loss);
  return [loss, { before, batches, cost, after: state.weights, centers: state.centers, epochs }];
}));

const arrowOf = path => {
  const [x, y, tipX, tipY] = path.getAttribute("d").match(/-?[\d.e-]+/g).map(Number);
  return [tipX - x, y - tipY];
};
answers.page = [...document.querySelectorAll("[name=loss]")].map(radio => {
  radio.click();
  showEpoch(3);
  const { gradients } = state.found;
  return {
    loss: radio.value, values: $("values").textContent, summary: $("summary").textContent,
    arrows: [
      ...(gradients.bases ?? []).map((g, j) => ({ g, drawn: drawn.baseArrows[j] })),
      ...(gradients.embeddings ?? []).map((g, row) => ({ g, drawn: drawn.dotArrows[state.batch[row]] })),
    ].filter(({ drawn }) => drawn.getAttribute("d")).map(({ g, drawn }) => [g, arrowOf(drawn)]),
  };
});
document.querySelector("[value=mining]").click();
const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const angle = handle => Number(handle.getAttribute("aria-valuenow"));
answers.keys = [drawn.bases[0], ringed].map(handle => {
  const before = angle(handle);
  for (let k = 0; k < 5; k++) press(handle, "ArrowLeft");
  return (angle(handle) - before + 360) % 360;
});
const chosen = state.chosen;
press(ringed, "ArrowUp");
answers.keys.push(state.chosen - chosen);
moveBasis(2, [0, -3]);
answers.dragged = angle(drawn.bases[2]);
for (const button of document.querySelectorAll("button")) button.click();
for (const slider of document.querySelectorAll("input[type=range]")) {
  for (const end of [slider.min, slider.max]) { slider.value = end; slider.dispatchEvent(new Event("input")); }
}
answers.nameless = [...document.querySelectorAll("input, button, [tabindex]")].filter(each =>
  !(each.labels?.length || each.textContent.trim() && each.tagName === "BUTTON" || each.getAttribute("aria-label"))).length;
answers.widths = [document.documentElement.scrollWidth, innerWidth];
answers.requests = performance.getEntriesByType("resource").map(entry => entry.name);
answers.problems = problems;
$("answers").textContent = JSON.stringify(answers);
