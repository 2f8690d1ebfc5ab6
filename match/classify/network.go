package classify

import (
	"context"
	"math"
)

// Results lie in buffers as rows of pixels, left to right and top to bottom,
// and each pixel as its channels, filled up with zeros to a multiple of 16:
// kernels then need no special case for the last ones.
func wide(channels int) int { return (channels + across - 1) / across * across }

// network runs a plan. Everything it works in is allocated once.
type network struct {
	plan
	blob    string
	fast    bool      // use the vector kernels
	input   []float32 // side x side x 3, from -1 to 1
	columns []float32 // input of the 3x3 convolution, 27 numbers for each pixel
	real    []float32 // weights of the layer at work
	bias    []float32
	buffers [3][]float32
	zeros   []float32 // what is around the picture
}

func newNetwork(lines []byte, blob string) (*network, error) {
	p, err := newPlan(lines, len(blob))
	if err != nil {
		return nil, err
	}
	return &network{plan: p, blob: blob, fast: vectors()}, nil
}

// allocate gets the RAM, when the first picture comes.
func (n *network) allocate() {
	if n.input != nil {
		return
	}
	n.input = make([]float32, side*side*3)
	n.columns = make([]float32, n.plan.columns)
	n.real = make([]float32, n.plan.weights)
	widest := 0
	for _, l := range n.layers {
		widest = max(widest, wide(l.Out))
	}
	n.bias, n.zeros = make([]float32, widest), make([]float32, widest)
	for i, size := range n.plan.buffers {
		n.buffers[i] = make([]float32, size)
	}
}

// wipe forgets the picture: what is left of it in the buffers is enough to tell
// what it showed.
func (n *network) wipe() {
	clear(n.input)
	clear(n.columns)
	for _, b := range n.buffers {
		clear(b)
	}
}

// run takes what is in input through all layers.
func (n *network) run(ctx context.Context) (Scores, error) {
	now, width := n.input, side
	for i := range n.layers {
		if ctx.Err() != nil {
			return Scores{}, ended(ctx)
		}
		l := &n.layers[i]
		to := n.buffers[l.to]
		switch l.Op {
		case "conv":
			spread(n.columns, now, width, l)
			n.multiply(to, n.columns, 9*l.In, 9*l.In, l)
		case "pointwise":
			n.multiply(to, now, wide(l.In), l.In, l)
		case "depthwise":
			n.depthwise(to, now, width, l)
		case "dense":
			return softmax(n.dense(now, width, l)), nil
		}
		if l.Add > 0 {
			for i, v := range n.buffers[l.sum][:l.side*l.side*wide(l.Out)] {
				to[i] += v
			}
		}
		now, width = to, l.side
	}
	return Scores{}, errGraph
}

// load makes n.real and n.bias of a layer's bytes: rows of as many weights as
// it has outputs, cut into panels of 16 columns that lie one behind the other.
func (n *network) load(l *layer, rows int) {
	table := l.Weights.table()
	for panel := 0; panel < l.Out; panel += across {
		count := min(across, l.Out-panel)
		for row := range rows {
			from := n.blob[l.Weights.At+row*l.Out+panel:][:count]
			to := n.real[panel*rows+row*across:][:across]
			clear(to)
			for j := range len(from) {
				to[j] = table[from[j]]
			}
		}
	}
	n.loadBias(l)
}

func (n *network) loadBias(l *layer) {
	table := l.Bias.table()
	clear(n.bias[:wide(l.Out)])
	for j := range l.Out {
		n.bias[j] = table[n.blob[l.Bias.At+j]]
	}
}

func (t tensor) table() (real [256]float32) {
	for i := range real {
		real[i] = float32(float64(i)*t.Scale + t.Min)
	}
	return real
}

// multiply is a convolution whose input lies in rows of count numbers, stride
// apart: from times the layer's weights, plus its bias.
func (n *network) multiply(to, from []float32, stride, count int, l *layer) {
	n.load(l, count)
	low, high := float32(math.Inf(-1)), float32(math.Inf(1))
	if l.ReLU6 {
		low, high = 0, 6
	}
	step := wide(l.Out)
	// Panels outside: one is small enough to stay in the cache for all rows.
	for panel := 0; panel < step; panel += across {
		for row := 0; row < l.side*l.side; row += tall {
			n.block(to[row*step+panel:], from[row*stride:], panel, count, stride, step, low, high)
		}
	}
}

// depthwise is a 3x3 convolution of each channel with itself.
func (n *network) depthwise(to, from []float32, width int, l *layer) {
	n.load(l, 9)
	step, before := wide(l.Out), ahead(width, l)
	var taps [9][]float32
	for y := range l.side {
		for x := range l.side {
			for tap := range taps {
				row, column := y*l.Stride+tap/3-before, x*l.Stride+tap%3-before
				taps[tap] = n.zeros[:step]
				if row >= 0 && row < width && column >= 0 && column < width {
					taps[tap] = from[(row*width+column)*step:][:step]
				}
			}
			n.pixel(to[(y*l.side+x)*step:][:step], &taps)
		}
	}
}

// ahead is how many zeros stand before the first pixel: half of what "SAME"
// padding needs, the odd one behind (TensorFlow's rule).
func ahead(width int, l *layer) int {
	return max(0, (l.side-1)*l.Stride+3-width) / 2
}

// spread lays out, for each pixel of the result, the nine pixels it is made of.
func spread(to, from []float32, width int, l *layer) {
	clear(to)
	before := ahead(width, l)
	for y := range l.side {
		for x := range l.side {
			for tap := range 9 {
				row, column := y*l.Stride+tap/3-before, x*l.Stride+tap%3-before
				if row < 0 || row >= width || column < 0 || column >= width {
					continue
				}
				copy(to[((y*l.side+x)*9+tap)*l.In:][:l.In], from[(row*width+column)*l.In:])
			}
		}
	}
}

// dense averages each channel over all pixels and multiplies.
func (n *network) dense(from []float32, width int, l *layer) (sums [5]float32) {
	step := wide(l.In)
	values, bias := l.Weights.table(), l.Bias.table()
	for j := range sums {
		sums[j] = bias[n.blob[l.Bias.At+j]]
	}
	for channel := range l.In {
		var mean float32
		for p := range width * width {
			mean += from[p*step+channel]
		}
		mean /= float32(width * width)
		for j := range sums {
			sums[j] += mean * values[n.blob[l.Weights.At+channel*l.Out+j]]
		}
	}
	return sums
}

func softmax(sums [5]float32) Scores {
	highest := max(sums[0], sums[1], sums[2], sums[3], sums[4])
	var total float64
	var e [5]float64
	for i, v := range sums {
		e[i] = math.Exp(float64(v - highest))
		total += e[i]
	}
	of := func(i int) float32 { return float32(e[i] / total) }
	return Scores{Drawing: of(0), Hentai: of(1), Neutral: of(2), Porn: of(3), Sexy: of(4)}
}
