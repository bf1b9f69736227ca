// A photo, its regions and its words. All that lights up does so here, without asking the server.
export default {
  template: `
    <div class="gs-captioned" v-if="source">
      <div class="gs-photo" :style="{ aspectRatio: width + ' / ' + height, maxWidth: 'calc(27rem * ' + width / height + ')' }">
        <svg ref="photo" :viewBox="'0 0 ' + width + ' ' + height" role="img" :aria-label="label"
          :class="{ drawing: drawing }" @pointerdown="begin" @pointermove="move" @pointerup="end"
          @pointercancel="drag = null" @dragstart.prevent>
          <defs>
            <mask :id="mask">
              <rect :width="width" :height="height" fill="#fff" />
              <rect v-for="look in looks" v-bind="place(look.region)" :fill-opacity="look.clear" />
            </mask>
          </defs>
          <image :href="source" :width="width" :height="height" />
          <template v-if="lit === null && outlines">
            <rect v-for="region in outlined" v-bind="place(region)" class="outline"
              :stroke-opacity="0.4 + 0.6 * regions[region].score" />
          </template>
          <template v-if="lit !== null">
            <rect class="veil" :width="width" :height="height" :mask="'url(#' + mask + ')'" />
            <template v-for="look in looks">
              <rect v-bind="place(look.region)" class="halo" />
              <rect v-bind="place(look.region)" class="look" :stroke-opacity="0.4 + 0.6 * look.clear" />
            </template>
          </template>
          <template v-if="shownBox">
            <rect v-bind="pixels(shownBox)" class="halo" /><rect v-bind="pixels(shownBox)" class="own" />
          </template>
        </svg>
        <span v-for="label in labels" class="gs-weight" :style="label.at" aria-hidden="true">{{ label.text }}</span>
        <span v-if="shownBox && lit === null" class="gs-weight own" :style="corner(shownBox)" aria-hidden="true">your region</span>
      </div>
      <div class="gs-caption" v-if="words.length">
        <p class="gs-words-row" role="group" aria-label="Words of the caption">
          <button v-for="(word, index) in words" type="button" class="gs-word"
            :class="{ flat: word.flat, blind: !word.visual }"
            :aria-pressed="String(index === selected)" :aria-describedby="mask + '-' + index"
            @mouseenter="hovered = index" @mouseleave="hovered = null"
            @focus="focused = index" @blur="focused = null" @click="$emit('word', index)">
            <b>{{ word.text }}</b>
            <span class="gs-entropy"><i :style="{ width: 100 * word.flatness + '%' }"></i></span>
            <small>{{ word.bits }} bits</small>
          </button>
        </p>
        <p class="gs-readout note"><template v-if="lit === null">{{ hint }}</template>
          <span v-for="(word, index) in words" :id="mask + '-' + index" v-show="index === lit">{{ word.told }}</span>
        </p>
      </div>
    </div>
  `,
  props: {
    source: String, width: Number, height: Number, label: String, hint: String,
    regions: Array, proposed: Number, words: Array, selected: Number, box: Array, drawing: Boolean,
    outlines: Boolean, mask: String,
  },
  emits: ["word", "box"],
  data: () => ({ hovered: null, focused: null, drag: null }),
  computed: {
    lit() {
      const asked = [this.hovered, this.focused, this.selected];
      return this.drag || this.drawing ? null : asked.find((word) => this.words[word]) ?? null;
    },
    looks() {
      if (this.lit === null) return [];
      const found = this.words[this.lit].looks;
      return found.map(([region, weight]) => ({ region, weight, clear: weight / found[0][1] }));
    },
    outlined() {
      return [...this.regions.keys()].slice(0, this.proposed);
    },
    shownBox() {
      return this.drag ? ordered(this.drag) : this.box;
    },
    labels() {
      const placed = [];
      for (const look of this.looks) {
        const [y0, x0] = this.regions[look.region].box;
        const x = Math.min(x0, 0.86);
        let y = Math.min(y0, 0.92);
        // Lower past labels that are there already, which stand for the larger weights.
        while (placed.some((one) => Math.abs(one.x - x) < 0.14 && Math.abs(one.y - y) < 0.07) && y < 0.92) y += 0.02;
        placed.push({ x, y });
      }
      return placed.map(({ x, y }, index) => ({
        text: Math.round(100 * this.looks[index].weight) + " %",
        at: { left: 100 * x + "%", top: 100 * y + "%" },
      }));
    },
  },
  watch: {
    source() { this.hovered = this.focused = this.drag = null; },
    // A word that is taken away from under the mouse never tells that the mouse has left it.
    words(now) { if (!now.length) this.hovered = this.focused = null; },
  },
  methods: {
    place(region) { return this.pixels(this.regions[region].box); },
    pixels([y0, x0, y1, x1]) {
      return { x: x0 * this.width, y: y0 * this.height, width: (x1 - x0) * this.width, height: (y1 - y0) * this.height };
    },
    corner([y0, x0]) { return { left: 100 * Math.min(x0, 0.78) + "%", top: 100 * Math.min(y0, 0.92) + "%" }; },
    at(event) {
      const { left, top, width, height } = this.$refs.photo.getBoundingClientRect();
      const within = (value) => Math.min(Math.max(value, 0), 1);
      return [within((event.clientY - top) / height), within((event.clientX - left) / width)];
    },
    begin(event) {
      // A finger scrolls, unless it was said that it draws.
      if (!this.words.length || event.button !== 0 || (event.pointerType !== "mouse" && !this.drawing)) return;
      event.preventDefault();
      this.$refs.photo.setPointerCapture(event.pointerId);
      this.drag = [...this.at(event), ...this.at(event)];
    },
    move(event) {
      if (this.drag) this.drag = [...this.drag.slice(0, 2), ...this.at(event)];
    },
    end() {
      if (!this.drag) return;
      const box = ordered(this.drag).map((side) => Math.round(1000 * side) / 1000);
      this.drag = null;
      // A click is no box.
      if (box[2] - box[0] >= 0.02 && box[3] - box[1] >= 0.02) this.$emit("box", box);
    },
  },
};

const ordered = ([y, x, v, u]) => [Math.min(y, v), Math.min(x, u), Math.max(y, v), Math.max(x, u)];
