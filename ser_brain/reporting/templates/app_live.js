// The live view: microphone -> blocks of 16-bit samples -> scores -> picture. See app_live.html.
const RECORDER = `registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([[samples]]) { if (samples) this.port.postMessage(samples.slice()); return true; }
});`;
const SENT_EVERY_MS = 200, COURSE_S = 60, TRAIL = 30;

export function live(root) {
  const view = root.querySelector(".ser-live"), one = name => view.querySelector(name);
  if (view.dataset.begun) return;
  view.dataset.begun = "yes";
  const settings = JSON.parse(view.dataset.settings);
  const start = one(".ser-start"), enrol = one(".ser-enrol"), forget = one(".ser-forget");
  let visit = "", microphone = null, waiting = [], lost = 0, voice = null;
  let course = [], trail = [], skipped = 0, expected = 0, turn = 0;

  const say = text => { one(".ser-status").textContent = text; };
  const tell = text => { one(".ser-said").textContent = text; one(".ser-said").hidden = !text; };

  async function post(name, body, more = "") {
    const answer = await fetch(`${settings.path}${name}?visit=${visit}${more}`, {method: "POST", body});
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  const count = blocks => blocks.reduce((sum, block) => sum + block.length, 0);

  function joined(blocks) {
    const all = new Int16Array(count(blocks));
    let at = 0;
    for (const block of blocks) { all.set(block, at); at += block.length; }
    return all;
  }

  function hear(samples) {
    const block = Int16Array.from(samples, x => Math.max(-1, Math.min(1, x)) * 32767);
    if (voice) { hearVoice(block); }
    waiting.push(block);
    const most = (settings.window_s + settings.hop_s) * microphone.rate;
    while (count(waiting) > most) lost += waiting.shift().length;
  }

  async function listen() {
    if (!navigator.mediaDevices) throw new Error("browsers allow the microphone only over HTTPS, or from the machine itself.");
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: {echoCancellation: false, noiseSuppression: false, autoGainControl: false},
    });
    const context = new AudioContext();
    const module = URL.createObjectURL(new Blob([RECORDER], {type: "text/javascript"}));
    await context.audioWorklet.addModule(module);
    URL.revokeObjectURL(module);
    const recorder = new AudioWorkletNode(context, "recorder", {channelCount: 1, channelCountMode: "explicit"});
    microphone = {stream, context, rate: context.sampleRate};
    try {
      visit = (await post("begin", null, `&rate=${context.sampleRate}`)).visit;
    } catch (error) {
      stop();
      throw error;
    }
    waiting = []; lost = 0; course = []; trail = []; skipped = 0; expected = 0;
    recorder.port.onmessage = event => hear(event.data);
    context.createMediaStreamSource(stream).connect(recorder);
    start.textContent = "Stop listening";
    say(`Listening; the first answer comes after ${settings.window_s} s.`);
    send(++turn);
  }

  function stop() {
    turn++;
    voice = null;
    if (enrol) enrol.disabled = false;
    if (!microphone) return;
    post("samples", null, "&lost=1").catch(() => {});  // the server forgets what it has heard
    microphone.stream.getTracks().forEach(track => track.stop());
    microphone.context.close();
    microphone = null;
    start.textContent = "Start listening";
    say("The microphone is off.");
  }

  async function send(mine) {
    while (mine === turn) {
      await new Promise(done => setTimeout(done, SENT_EVERY_MS));
      if (mine !== turn || !waiting.length) continue;
      const block = joined(waiting), dropped = lost;
      waiting = []; lost = 0;
      try {
        const {rows} = await post("samples", block, `&lost=${dropped}`);
        if (mine === turn) rows.forEach(show);
      } catch (error) {
        if (mine === turn) { stop(); say(error.message); }
      }
    }
  }

  async function begin() {
    try { await listen(); }
    catch (error) { stop(); say(`Cannot listen: ${error.message}`); }
  }

  function hearVoice(block) {
    voice.push(block);
    const left = settings.voice_s - count(voice) / microphone.rate;
    if (left > 0) { tell(`Speak as you usually do: ${Math.ceil(left)} s left.`); return; }
    const all = joined(voice);
    voice = null;
    adapt(all);
  }

  async function adapt(samples) {
    tell("Adapting to your voice.");
    try {
      const found = await post("enrol", samples);
      tell(found.said);
      beside(found.adapted);
    } catch (error) { tell(error.message); }
    enrol.disabled = false;
  }

  function beside(both) {
    if (forget) forget.hidden = !both;
    const legend = one(".ser-legend");
    if (legend) legend.hidden = !both;
    view.querySelectorAll(".ser-adapted").forEach(part => { part.hidden = !both; });
  }

  function show(row) {
    skipped += Math.max(0, Math.round((row.start_s - expected) / settings.hop_s));
    expected = row.start_s + settings.hop_s;
    const slow = skipped ? ` This machine is slower than you speak: ${skipped} answers skipped.` : "";
    course.push({at: row.stop_s, ...row});
    course = course.filter(past => past.at > row.stop_s - COURSE_S);
    drawCourse(row.stop_s);
    view.dataset.heard = row.stop_s;
    if (row.error) { say(row.error + slow); return; }
    if (row.silent) { say(`Silence: nothing is louder than -80 dBFS.${slow}`); return; }
    say(row.doubts.length ? `Doubtful: ${row.doubts.join("; ")}.${slow}` : `Listening.${slow}`);
    for (const line of view.querySelectorAll("tr[data-emotion]")) {
      for (const [kind, probabilities] of [["trained", row.probabilities], ["adapted", row.adapted]]) {
        if (!probabilities) continue;
        const share = probabilities[line.dataset.emotion];
        line.querySelector(`.ser-bar .ser-${kind}`).style.width = `${100 * share}%`;
        line.querySelector(`.ser-number .ser-${kind}`).textContent = `${(100 * share).toFixed(0)} %`;
      }
    }
    if (row.probabilities) {
      const best = of => Object.keys(of).reduce((a, b) => of[a] >= of[b] ? a : b);
      const trained = best(row.probabilities), adapted = row.adapted && best(row.adapted);
      const both = adapted && adapted !== trained;
      one(".ser-top").textContent = both ? `${trained}; adapted to you: ${adapted}` : trained;
    }
    for (const [name, value] of Object.entries(row.values)) one(`[data-${name}]`).textContent = value.toFixed(2);
    if (row.x !== undefined) drawPoint(row);
  }

  function drawPoint(row) {
    const limit = value => 100 * Math.max(-1.2, Math.min(1.2, value));
    trail = [...trail, [limit(row.x), -limit(row.y)]].slice(-TRAIL);
    one(".ser-words").textContent = row.words.length ? `Nearest words: ${row.words.join(", ")}.` : "In the middle of the circle, close to no word.";
    one(".ser-trail").setAttribute("points", trail.join(" "));
    const now = one(".ser-now"), [x, y] = trail.at(-1);
    now.setAttribute("cx", x); now.setAttribute("cy", y); now.setAttribute("visibility", "visible");
  }

  function drawCourse(until) {
    const canvas = one(".ser-course canvas");
    if (!canvas) return;
    const scale = window.devicePixelRatio || 1, high = canvas.clientHeight / settings.emotions.length;
    canvas.width = canvas.clientWidth * scale; canvas.height = canvas.clientHeight * scale;
    const pen = canvas.getContext("2d"), wide = canvas.width / COURSE_S;
    pen.fillStyle = getComputedStyle(view).getPropertyValue("--ser-bar");
    for (const past of course.filter(row => row.probabilities)) {
      const shown = past.adapted || past.probabilities;
      settings.emotions.forEach((emotion, place) => {
        pen.globalAlpha = shown[emotion];
        const left = canvas.width - wide * (until - past.at + settings.hop_s);
        pen.fillRect(left, high * scale * place, Math.ceil(wide * settings.hop_s), (high - 1) * scale);
      });
    }
  }

  start.onclick = () => microphone ? stop() : begin();
  if (enrol) enrol.onclick = async () => {
    enrol.disabled = true;
    if (!microphone) await begin();
    if (microphone) voice = []; else enrol.disabled = false;
  };
  if (forget) forget.onclick = async () => {
    try { tell((await post("enrol", null)).said); beside(false); }
    catch (error) { tell(error.message); }
  };
  addEventListener("pagehide", () => visit && navigator.sendBeacon(`${settings.path}end?visit=${visit}`));
}
