package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
)

// While a secret is changed messages are signed by both, then by the new one alone; that
// outlives a restart, a pause and a replay, and a secret is told once.
func TestWebhookSecretIsChanged(t *testing.T) {
	clock := newClock()
	h, r := newSubscribed(t, defaults(), clock), newReceiver(t)
	made := h.hook(r.URL)
	path := webhooksPath + "/" + made.ID
	secrets, n := []string{made.Secret}, 0
	rotate := func(body string) {
		t.Helper()
		now := into[api.Webhook](t, h.do("POST", path+"/secret", body).want(t, 200))
		secrets = append(secrets, now.Secret)
	}
	signedBy := func(want ...int) { // the next message is, by these secrets, in this order
		t.Helper()
		n++
		h.record(n)
		eventually(t, "it is told", func() bool { return len(r.got()) == n })
		m := r.got()[n-1]
		var all []string
		for _, i := range want {
			key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secrets[i], "whsec_"))
			if err != nil || len(key) < 24 {
				t.Fatalf("secret %q: %v", secrets[i], err)
			}
			mac := hmac.New(sha256.New, key)
			fmt.Fprintf(mac, "%s.%s.%s", m.header.Get("webhook-id"), m.header.Get("webhook-timestamp"), m.body)
			all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		}
		if got := m.header.Get("webhook-signature"); got != strings.Join(all, " ") {
			t.Errorf("message %d has the signatures %q, not %q", n, got, all)
		}
	}
	signedBy(0)
	if told := into[api.Webhook](t, h.do("POST", path+"/secret?dryRun=true", `{"keepSeconds":60}`).want(t, 200)); told.Secret != "" {
		t.Errorf("a secret that is not kept is told: %+v", told)
	}
	rotate(`{"keepSeconds":60}`)
	signedBy(1, 0)
	h.do("POST", path+"/pause", "").want(t, 200)
	h.stop()
	h.start()
	if told := into[api.Webhook](t, h.do("POST", path+"/resume", "").want(t, 200)); told.Secret != "" {
		t.Errorf("a secret is told again: %+v", told)
	}
	h.do("POST", path+"/replay", fmt.Sprintf(`{"after":%q}`, h.hookNow(made.ID).Cursor)).want(t, 200)
	signedBy(1, 0)
	clock.pass(time.Minute)
	signedBy(1)
	rotate(fmt.Sprintf(`{"secret":"whsec_%s"}`, base64.StdEncoding.EncodeToString([]byte("a secret of the receiver's own"))))
	rotate(``)
	rotate(`{"keepSeconds":3600}`)
	signedBy(4, 3, 2) // no more than three, none for longer than the last change says
	clock.pass(time.Hour)
	signedBy(4)
	rotate(`{"keepSeconds":0}`)
	signedBy(5)
	for _, bad := range []string{`{"keepSeconds":604801}`, `{"secret":"whsec_short"}`, `{"secrets":""}`} {
		h.do("POST", path+"/secret", bad).want(t, 400)
	}
}
