package classify

// The two kernels that take nearly all of the time, in plain Go. The vector
// forms compute the same sums in the same order, but round once where these
// round twice; a test bounds the difference.

// A block is tall rows of across columns: as many sums as fit in registers.
const (
	tall   = 4
	across = 16
)

// block multiplies tall rows of from, of count numbers each and stride apart,
// with one panel of weights, adds the bias, cuts to low..high, and writes the
// rows to to, step apart.
func (n *network) block(to, from []float32, panel, count, stride, step int, low, high float32) {
	weights, bias := n.real[panel*count:][:count*across], n.bias[panel:][:across]
	to, from = to[:(tall-1)*step+across], from[:(tall-1)*stride+count]
	if n.fast {
		blockVector(&to[0], &from[0], &weights[0], &bias[0], count, stride, step, low, high)
		return
	}
	for row := 0; row < tall; row += 2 {
		a, b := from[row*stride:][:count], from[(row+1)*stride:][:count]
		for column := 0; column < across; column += 4 {
			a0, a1, a2, a3 := bias[column], bias[column+1], bias[column+2], bias[column+3]
			b0, b1, b2, b3 := a0, a1, a2, a3
			for k, x := range a {
				y, w := b[k], weights[k*across+column:][:4]
				a0 += x * w[0]
				b0 += y * w[0]
				a1 += x * w[1]
				b1 += y * w[1]
				a2 += x * w[2]
				b2 += y * w[2]
				a3 += x * w[3]
				b3 += y * w[3]
			}
			cut(to[row*step+column:], low, high, a0, a1, a2, a3)
			cut(to[(row+1)*step+column:], low, high, b0, b1, b2, b3)
		}
	}
}

func cut(to []float32, low, high, v0, v1, v2, v3 float32) {
	to = to[:4]
	to[0], to[1] = min(max(v0, low), high), min(max(v1, low), high)
	to[2], to[3] = min(max(v2, low), high), min(max(v3, low), high)
}

// pixel sums nine pixels, each weighted channel by channel, adds the bias and
// cuts to 0..6.
func (n *network) pixel(to []float32, taps *[9][]float32) {
	count := len(to)
	weights, bias := n.real[:9*count], n.bias[:count]
	if n.fast {
		pixelVector(&to[0], taps, &weights[0], &bias[0], count)
		return
	}
	for panel := 0; panel < count; panel += across {
		out, w := to[panel:][:across], weights[9*panel:][:9*across]
		copy(out, bias[panel:])
		for tap := range taps {
			in, w := taps[tap][panel:][:across], w[tap*across:][:across]
			for j, v := range in {
				out[j] += v * w[j]
			}
		}
		for j, v := range out {
			out[j] = min(max(v, 0), 6)
		}
	}
}
