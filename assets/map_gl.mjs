// Points on the screen by WebGL2: one gl.POINTS draw of 10 bytes a point. The whole picture of a large map is painted
// in parts into a texture and shown when it is complete, so that no draw ever holds the page up.

import { LEVELS, opacity } from "./map_camera.mjs";

const VERTEX = `#version 300 es
in float px, py, kind, flag;
uniform vec2 centre, half_size;
uniform float scale, size, layer, chosen, solid[64];
uniform sampler2D table;
flat out vec4 colour;
flat out float edge;
void main() {
  vec4 own = texelFetch(table, ivec2(int(kind), 0), 0);
  float state = mod(flag, 4.), alpha = solid[int(flag) / 4];
  bool dim = mod(state, 2.) > .5 || own.a < .5, apart = chosen > .5 && state < 1.5;
  // Layer 0: what is dimmed; 1: the rest, on top; −1: both at once.
  bool below = dim || apart;
  float strength = dim ? .13 : apart ? .3 : chosen > .5 ? min(1. / alpha, 1.6) : 1.;
  vec3 grey = vec3(dot(own.rgb, vec3(.2126, .7152, .0722)));
  vec3 shade = mix(own.rgb, grey, dim ? .8 : apart ? .55 : 0.);
  colour = vec4(shade, alpha * strength);
  edge = size > 2. ? size + 1. : size; // a disc has a soft edge of one pixel
  gl_PointSize = edge;
  gl_Position = vec4((vec2(px, py) - centre) * scale / half_size, 0., 1.);
  if (layer >= 0. && below == (layer > .5)) gl_Position = vec4(2., 2., 2., 1.);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
flat in vec4 colour;
flat in float edge;
uniform vec3 ground;
out vec4 pixel;
void main() {
  float cover = 1.;
  vec3 fill = colour.rgb;
  if (edge > 3.) {
    float far = length(gl_PointCoord - .5) * edge;
    cover = clamp(edge * .5 - far, 0., 1.);
    if (edge > 9.) fill = mix(fill, mix(ground, fill, .45), clamp(far - edge * .5 + 2., 0., 1.));
  }
  float a = colour.a * cover;
  pixel = vec4(fill * a, a);
}`;

// Raises where the page has no WebGL2. `lost` is called when the browser took the context away, and when it came back.
export function makePainter(canvas, points, lost) {
  const gl = canvas.getContext("webgl2", { antialias: false, alpha: true, depth: false, powerPreference: "high-performance" });
  if (!gl) throw new Error("WebGL2 is missing");
  let state = prepare(gl, points);
  const stop = (event) => { event.preventDefault(); state = null; lost(true); };
  const resume = () => { state = prepare(gl, points); lost(false); };
  canvas.addEventListener("webglcontextlost", stop);
  canvas.addEventListener("webglcontextrestored", resume);
  return {
    most: points.n,
    table: (bytes) => state && upload(gl, state, bytes),
    kinds: (bytes) => state && fill(gl, state.kinds, bytes),
    flags: (bytes) => state && fill(gl, state.flags, bytes),
    resize: (width, height) => resize(gl, state, canvas, width, height),
    idle: () => idle(gl, state),
    // Into the hidden picture (`aside`) or onto the screen; parts may follow: {first, count, layer}.
    begin: (frame, aside) => state && begin(gl, state, frame, aside),
    part: (first, count, layer) => { if (state) { gl.uniform1f(state.at.layer, layer); gl.drawArrays(gl.POINTS, first, count); fence(gl, state); } },
    show: () => state && show(gl, state),
    destroy() {
      canvas.removeEventListener("webglcontextlost", stop);
      canvas.removeEventListener("webglcontextrestored", resume);
      gl.getExtension("WEBGL_lose_context")?.loseContext();
      state = null;
    },
  };
}

function prepare(gl, { n, x, y }) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  const at = Object.fromEntries(["centre", "half_size", "scale", "size", "solid", "layer", "chosen", "ground"]
    .map((name) => [name, gl.getUniformLocation(program, name)]));
  const places = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, places);
  gl.bufferData(gl.ARRAY_BUFFER, 8 * n, gl.STATIC_DRAW);
  gl.bufferSubData(gl.ARRAY_BUFFER, 0, x);
  gl.bufferSubData(gl.ARRAY_BUFFER, 4 * n, y);
  attribute(gl, program, "px", gl.FLOAT, 0);
  attribute(gl, program, "py", gl.FLOAT, 4 * n);
  const column = (name) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, n, gl.DYNAMIC_DRAW);
    attribute(gl, program, name, gl.UNSIGNED_BYTE, 0);
    return buffer;
  };
  const kinds = column("kind"), flags = column("flag");
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  return { at, kinds, flags, frame: gl.createFramebuffer(), picture: null, fence: null, width: 0, height: 0 };
}

function attribute(gl, program, name, type, offset) {
  const place = gl.getAttribLocation(program, name);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, 1, type, false, 0, offset);
}

function upload(gl, _state, bytes) {
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
}

function fill(gl, buffer, bytes) {
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferSubData(gl.ARRAY_BUFFER, 0, bytes);
}

function resize(gl, state, canvas, width, height) {
  [canvas.width, canvas.height] = [width, height];
  if (!state) return;
  [state.width, state.height] = [width, height];
  gl.deleteRenderbuffer(state.picture);
  state.picture = gl.createRenderbuffer();
  gl.bindRenderbuffer(gl.RENDERBUFFER, state.picture);
  gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA8, width, height);
  gl.bindFramebuffer(gl.FRAMEBUFFER, state.frame);
  gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, state.picture);
}

function begin(gl, state, { camera, size, layers, chosen, ground, dpr }, aside) {
  gl.bindFramebuffer(gl.FRAMEBUFFER, aside ? state.frame : null);
  gl.viewport(0, 0, state.width, state.height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  const { at } = state;
  gl.uniform2f(at.centre, camera.x, camera.y);
  gl.uniform2f(at.half_size, camera.width / 2, camera.height / 2);
  gl.uniform1f(at.scale, camera.scale);
  gl.uniform1f(at.size, size * dpr);
  gl.uniform1fv(at.solid, Float32Array.from({ length: LEVELS + 1 }, (_, level) => opacity(layers, level)));
  gl.uniform1f(at.chosen, chosen ? 1 : 0);
  gl.uniform3f(at.ground, ...ground.map((value) => value / 255));
}

function show(gl, state) {
  gl.bindFramebuffer(gl.READ_FRAMEBUFFER, state.frame);
  gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
  gl.blitFramebuffer(0, 0, state.width, state.height, 0, 0, state.width, state.height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  fence(gl, state);
}

// A mark behind the last draw: until the device has passed it, nothing more is sent.
function fence(gl, state) {
  gl.deleteSync(state.fence);
  state.fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
  gl.flush();
}

function idle(gl, state) {
  if (!state?.fence || gl.isContextLost()) return true;
  return gl.getSyncParameter(state.fence, gl.SYNC_STATUS) === gl.SIGNALED;
}
