package schemas

import "fmt"

// Waiting is a receipt that waits for its offer: the leaf value at WaitingKey.
type Waiting struct {
	Receipt Offer
	Turn    uint64 // of the item: in any other the receipt has lapsed
}

// Append appends the leaf value of a waiting receipt: 1 receipt, 2 turn.
func (w *Waiting) Append(dst []byte) []byte {
	return AppendUint(AppendField(dst, 1, w.Receipt.append(nil)), 2, w.Turn)
}

// DecodeWaiting reads such a leaf value.
func DecodeWaiting(b []byte) (w Waiting, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			if w.Receipt, err = decodeOffer(v); err != nil {
				f.Fail(n, err.Error())
			}
		case 2:
			w.Turn = f.Uint(n, v)
		default:
			f.Fail(n, "unknown")
		}
	}
	var stack [valueSize]byte
	return w, f.Exact(b, w.Append(stack[:0]))
}

// HeldLot is how much of a class or lot is inside a container.
type HeldLot struct {
	Class   string
	UOM     string
	Amount  string // canonical decimal, "" when it cannot be told
	Unknown bool   // it cannot be told any more
}

func (h *HeldLot) append(dst []byte) []byte {
	dst = AppendString(dst, 1, h.Class)
	dst = AppendString(dst, 2, h.UOM)
	dst = AppendString(dst, 3, h.Amount)
	if h.Unknown {
		dst = AppendUint(dst, 4, 1)
	}
	return dst
}

func decodeHeldLot(b []byte) (h HeldLot, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			h.Class = string(v)
		case 2:
			h.UOM = string(v)
		case 3:
			h.Amount = string(v)
		case 4:
			h.Unknown = f.Uint(n, v) == 1
		default:
			f.Fail(n, "unknown")
		}
	}
	var stack [valueSize]byte
	return h, f.Exact(b, h.append(stack[:0]))
}

// AppendContents appends the leaf value of what a container holds of classes and
// lots: each as field 1, of 1 class, 2 unit, 3 amount, 4 unknown.
func AppendContents(dst []byte, lots []HeldLot) []byte {
	for i := range lots {
		dst = AppendField(dst, 1, lots[i].append(nil))
	}
	return dst
}

// DecodeContents reads such a leaf value.
func DecodeContents(b []byte) (lots []HeldLot, err error) {
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if n != 1 {
			f.Fail(n, "unknown")
			break
		}
		h, err := decodeHeldLot(v)
		if err != nil {
			return nil, fmt.Errorf("lot %d: %w", len(lots), err)
		}
		lots = append(lots, h)
	}
	var stack [valueSize]byte
	return lots, f.Exact(b, AppendContents(stack[:0], lots))
}
