// A 3D scatter plot on a canvas. Drag or arrow keys rotate it, + and - zoom, 0 resets the view.
// Its data-points: {"emotions": [{name, colour, marker}], "points": [[x, y, z, emotion], ...]}.
{
  // Marker -> corners, angle of the first in degrees, radius between corners (1: no star).
  const shapes = {
    o: [24, 0, 1], s: [4, 45, 1], D: [4, 0, 1], "^": [3, -90, 1], v: [3, 90, 1], "<": [3, 180, 1],
    ">": [3, 0, 1], p: [5, -90, 1], h: [6, 0, 1], "*": [5, -90, 0.45], X: [4, 45, 0.35], P: [4, 0, 0.35],
  };
  const start = { across: -0.6, up: 0.35, zoom: 1 };

  const mean = rows => [0, 1, 2].map(k => rows.reduce((sum, row) => sum + row[k], 0) / rows.length);

  const outline = (context, marker, x, y, size) => {
    const [corners, first, inner] = shapes[marker];
    context.beginPath();
    for (let n = 0; n < 2 * corners; n++) {
      if (n % 2 && inner === 1) continue;
      const angle = (first * Math.PI) / 180 + (n * Math.PI) / corners;
      const radius = n % 2 ? size * inner : size;
      context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    }
    context.closePath();
    context.fill();
  };

  for (const canvas of document.querySelectorAll("canvas.scatter3d")) {
    const { emotions, points } = JSON.parse(canvas.dataset.points);
    const context = canvas.getContext("2d");
    const middle = mean(points);
    const reach = Math.max(...points.map(p => Math.hypot(...middle.map((m, k) => p[k] - m)))) || 1;
    const centred = points.map(p => [...middle.map((m, k) => (p[k] - m) / reach), p[3], 4]);
    const centroids = emotions.map((_, n) => [...mean(centred.filter(p => p[3] === n)), n, 9]);
    const hidden = new Set();
    let view = { ...start };

    const project = ([x, y, z]) => {
      const size = 0.46 * view.zoom * Math.min(canvas.width, canvas.height);
      const [sine, cosine] = [Math.sin(view.across), Math.cos(view.across)];
      const [right, depth] = [x * cosine + z * sine, z * cosine - x * sine];
      const high = y * Math.cos(view.up) - depth * Math.sin(view.up);
      const near = depth * Math.cos(view.up) + y * Math.sin(view.up);
      return [canvas.width / 2 + size * right, canvas.height / 2 - size * high, near];
    };

    const axes = ink => {
      context.strokeStyle = context.fillStyle = ink;
      context.globalAlpha = 0.6;
      context.font = `${canvas.width / 46}px system-ui, sans-serif`;
      [[1, 0, 0], [0, 1, 0], [0, 0, 1]].forEach((end, n) => {
        const [from, to] = [project(end.map(e => -e)), project(end)];
        context.beginPath();
        context.moveTo(from[0], from[1]);
        context.lineTo(to[0], to[1]);
        context.stroke();
        context.fillText(`component ${n + 1}`, to[0] + 4, to[1] - 4);
      });
    };

    const draw = () => {
      const style = getComputedStyle(canvas);
      context.clearRect(0, 0, canvas.width, canvas.height);
      axes(style.color);
      const shown = [...centred, ...centroids].filter(p => !hidden.has(p[3]));
      // Far points first, so that near ones cover them.
      const projected = shown.map(p => [...project(p), p[3], p[4]]).sort((p, q) => q[2] - p[2]);
      for (const [x, y, near, n, size] of projected) {
        const scale = (canvas.width / 640) * (1 - 0.2 * near);
        if (size > 4) {  // a centroid, with a rim in the colour of the page
          context.globalAlpha = 1;
          context.fillStyle = style.backgroundColor;
          outline(context, emotions[n].marker, x, y, (size + 2) * scale);
        }
        context.globalAlpha = size > 4 ? 1 : 0.6;
        context.fillStyle = emotions[n].colour;
        outline(context, emotions[n].marker, x, y, size * scale);
      }
    };

    const rotate = (across, up) => {
      view.across += across;
      view.up = Math.max(-1.5, Math.min(1.5, view.up + up));
      draw();
    };
    const zoom = by => {
      view.zoom = Math.max(0.3, Math.min(8, view.zoom * by));
      draw();
    };
    const keys = {
      ArrowLeft: () => rotate(-0.1, 0), ArrowRight: () => rotate(0.1, 0),
      ArrowUp: () => rotate(0, 0.1), ArrowDown: () => rotate(0, -0.1),
      "+": () => zoom(1.15), "-": () => zoom(1 / 1.15),
      0: () => { view = { ...start }; draw(); },
    };
    canvas.addEventListener("keydown", event => {
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
    canvas.addEventListener("pointerdown", event => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", event => {
      if (canvas.hasPointerCapture(event.pointerId)) rotate(event.movementX / 150, event.movementY / 150);
    });
    for (const box of canvas.parentElement.querySelectorAll("input")) {
      box.addEventListener("change", () => {
        hidden[box.checked ? "delete" : "add"](Number(box.value));
        draw();
      });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    draw();
  }
}
