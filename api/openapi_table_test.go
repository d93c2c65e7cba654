package api_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// The requests that TestOpenAPIIsTrue sends: one row for each operation of
// /openapi.json, without which it fails. To add an operation: write it into
// openapi.json, and a row here, with
//
//   - operation: method and path as the document names them
//   - succeeds: a request that the document allows. Its path has the parameters
//     filled in, on the ledger that prepared makes; empty where there are none.
//     headers are name, value, name, value; an empty value removes one. The key has
//     all scopes, and a body is application/json unless headers say otherwise.
//     Path and body may name what only prepared knows: {job}, {transaction}, {signed}, {token}, {subscription}, {webhook}.
//     Of a GET every media type that the document promises is asked for.
//   - fails: the main way to fail. It may be a request that the document forbids.
//     Leave it out where nothing can fail. That a key is needed is asked by itself.
//
// A new Go type that is answered goes into answered, in openapi_test.go, beside the
// name of its schema.

// exchange is one operation, exercised.
type exchange struct {
	operation       string
	succeeds, fails ask
	also            []ask // other requests that the document allows
}

// ask is a request, and the status that it is answered with.
type ask struct {
	path    string
	body    string
	headers []string
	status  int
}

const shipmentPath = "/api/v1/shipments/urn:example:shipment:1"

const placeURN = "urn:epc:id:sgln:9521234.00001.0"

// prepared is a gateway over a ledger with an item, a lot, a document, and all that
// answers can have; known fills in what it alone knows.
func prepared(t *testing.T) (h *harness, known *strings.Replacer) {
	h = newHarness(t, defaults())
	r := h.do("POST", "/epcis/v2/events", strings.Replace(event(1, `"disposition":"active"`, `"bizLocation":{"id":"`+placeURN+`"}`, `"readPoint":{"id":"`+placeURN+`"}`, `"eventID":"urn:uuid:00000000-0000-4000-8000-000000000001"`), `"OBSERVE"`, `"ADD"`, 1)).want(t, 201)
	h.do("POST", "/epcis/v2/events", `{"type":"ObjectEvent","action":"ADD","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00","quantityList":[{"epcClass":"`+classID+`","quantity":12.5,"uom":"KGM"}]}`).want(t, 201)
	h.do("POST", "/epcis/v2/queries", `{"name":"stored","query":{"eventType":["ObjectEvent"]}}`).want(t, 201)
	subscription := h.do("POST", "/epcis/v2/queries/stored/subscriptions", `{"dest":"https://example.invalid/","schedule":{"hour":"1"},"signatureToken":"t","initialRecordTime":"2026-05-01T00:00:00Z"}`).want(t, 201).header.Get("Location")
	webhook := into[api.Webhook](t, h.do("POST", "/api/v1/webhooks", `{"url":"https://example.invalid/","types":["event.*"],"partner":"mill","subject":"`+itemURN+`","batch":7}`).want(t, 201)).ID
	job := h.job(h.do("POST", "/epcis/v2/capture", document(event(7), event(7))).want(t, 202).header.Get("Location"))
	h.publish(itemLink, `{"title":"A tomato","custody":true,"links":[{"type":"gs1:pip","href":"https://example.com/","title":"About","media":"text/html","lang":"en"}]}`)
	h.publish(classLink, "")
	h.ledger.set(func() {
		h.ledger.realBundles = true
		h.ledger.network = api.Network{ChainID: "test", Rules: 1, Partner: "acme-farms", Quorum: true, Snapshots: []int64{1},
			Missing:  &api.HeightRange{First: 1, Last: 2, Fetched: 1},
			Partners: []api.NetworkMember{{Partner: schemas.Partner{ID: "acme-farms", Name: "Acme Farms", GLN: "9521234000006", Standing: schemas.StandingMember}, Connected: true}}}
	})
	_, guest, err := h.store.CreateBoundKey("guest", local.Binding{Partner: "guest"}, local.Query)
	if err != nil {
		t.Fatal(err)
	}
	return h, strings.NewReplacer("{guest}", guest.ID, "{webhook}", webhook, "{job}", job.CaptureID, "{transaction}", into[schemas.Receipt](t, r).Transaction.String(), "{signed}", string(h.signed(event(9))),
		"{token}", h.do("GET", "/epcis/v2/events?perPage=1", "").want(t, 200).header.Get("nextPageToken"),
		"{subscription}", subscription[strings.LastIndex(subscription, "/")+1:])
}

func exchanges() []exchange {
	item, lot := "/api/v1/items/"+url.PathEscape(itemURN), "/api/v1/lots/"+url.PathEscape(classID)
	unknown := "/api/v1/items/" + url.PathEscape("urn:epc:id:sgtin:9521234.054321.404")
	binary := func(more ...string) []string {
		return append([]string{"Content-Type", "application/octet-stream"}, more...)
	}
	other := []string{"Accept", "image/png"}
	form := []string{"Content-Type", "multipart/form-data; boundary=x"}
	part := func(name, mediaType, content string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\nContent-Type: " + mediaType + "\r\n\r\n" + content + "\r\n"
	}
	sheet := part("mapping", "text/plain", importMapping) + part("file", "application/octet-stream", importRows) + "--x--\r\n"
	list := []exchange{
		{operation: "GET /epcis/v2/events", succeeds: ask{path: "/epcis/v2/events?perPage=1&MATCH_epc=" + itemURN + "&EQ_bizStep=shipping", status: 200}, fails: ask{path: "/epcis/v2/events?EQ_action=THROW", status: 400}},
		{operation: "POST /epcis/v2/events", succeeds: ask{body: event(2), status: 201}, fails: ask{body: `{"type":"ObjectEvent","eventTime":"2026-05-01T10:00:00Z"}`, status: 400}, also: []ask{
			{body: event(2), status: 200}, {body: xmlEvent(3, ""), headers: append(sendXML, "Accept", "application/xml"), status: 201},
			{body: event(4), path: "/epcis/v2/events?dryRun=true", headers: []string{"Accept", "application/ld+json"}, status: 200}}},
		{operation: "GET /epcis/v2/events/{eventID}", succeeds: ask{path: "/epcis/v2/events/urn:uuid:00000000-0000-4000-8000-000000000001", status: 200}, fails: ask{path: "/epcis/v2/events/none", status: 404}},
		{operation: "GET /epcis/v2/capture", succeeds: ask{path: "/epcis/v2/capture?perPage=1", status: 200}, fails: ask{path: "/epcis/v2/capture?perPage=0", status: 400}},
		{operation: "POST /epcis/v2/capture", succeeds: ask{body: document(event(2), event(3)), status: 202, headers: []string{"GS1-Capture-Error-Behaviour", "proceed"}}, fails: ask{body: document(`{"type":"ObjectEvent"}`), status: 400}, also: []ask{
			{body: xmlDocument("2.0", xmlEvent(5, "")), headers: append(sendXML, "Accept", "text/xml"), status: 202}, {body: document(event(6)), path: "/epcis/v2/capture?dryRun=true", status: 200}}},
		{operation: "GET /api/v1/items/{id}", succeeds: ask{path: item, status: 200}, fails: ask{path: unknown, status: 404}},
		{operation: "GET /api/v1/items/{id}/trail", succeeds: ask{path: item + "/trail?perPage=1", status: 200}, fails: ask{path: unknown + "/trail", status: 404}},
		{operation: "GET /api/v1/items/{id}/trace", succeeds: ask{path: item + "/trace?direction=upstream", status: 200}, fails: ask{path: item + "/trace?maxDepth=65", status: 400}},
		{operation: "GET /api/v1/items/{id}/bundle", succeeds: ask{path: item + "/bundle?observations=true", status: 200}, fails: ask{path: item + "/bundle?as=partner", status: 400}},
		{operation: "GET /api/v1/lots/{id}/bundle", succeeds: ask{path: lot + "/bundle?partner=brook&first=1&count=2", status: 200}, fails: ask{path: lot + "/bundle?as=item", status: 400}},
		{operation: "GET /api/v1/partners/{id}/bundle", succeeds: ask{path: "/api/v1/partners/acme-farms/bundle?first=1", status: 200}, fails: ask{path: "/api/v1/partners/acme-farms/bundle?first=-1", status: 400}},
		{operation: "GET /api/v1/shipments/{id}/bundle", succeeds: ask{path: "/api/v1/shipments/urn:example:shipment:7/bundle?units=true", status: 200}, fails: ask{path: "/api/v1/shipments/urn:example:shipment:7/bundle?units=1", status: 400}},
		{operation: "POST /api/v1/bundles", succeeds: ask{path: "/api/v1/bundles?since=1", body: "old", headers: binary(), status: 200}, fails: ask{body: "old", headers: []string{"Content-Type", "text/plain"}, status: 415}},
		{operation: "GET /epcis/v2/", succeeds: ask{path: "/epcis/v2/", status: 200}, fails: ask{path: "/epcis/v2/?x=1", status: 400}},
		{operation: "GET /api/v1/masterdata", succeeds: ask{path: "/api/v1/masterdata?perPage=1", status: 200}, fails: ask{path: "/api/v1/masterdata?nextPageToken=x", status: 400}},
		{operation: "GET /api/v1/fsma204", succeeds: ask{path: "/api/v1/fsma204?from=2026-05-01T00:00:00Z&to=2026-05-02T00:00:00Z", status: 200}, fails: ask{path: "/api/v1/fsma204?from=yesterday", status: 400}},
		{operation: "POST /api/v1/imports", succeeds: ask{body: sheet, headers: form, status: 202}, fails: ask{body: part("mapping", "text/plain", "{}") + "--x--\r\n", headers: form, status: 400}, also: []ask{
			{path: "/api/v1/imports?dryRun=true", body: sheet, headers: form, status: 200}}},
		{operation: "GET /api/v1/exceptions", succeeds: ask{path: "/api/v1/exceptions?perPage=1&open=true", status: 200}, fails: ask{path: "/api/v1/exceptions?nextPageToken=x", status: 400}},
		{operation: "GET /api/v1/shipments", succeeds: ask{path: "/api/v1/shipments?party=haul&state=disputed", status: 200}, fails: ask{path: "/api/v1/shipments?state=lost", status: 400}},
		{operation: "POST /api/v1/shipments", succeeds: ask{body: `{"receiver":"shop","items":["urn:epc:id:sgtin:9521234.054321.1001"],"lots":[{"class":"urn:epc:class:lgtin:9521234.054321.L1","quantity":2,"uom":"KGM"}],"bands":[{"of":"temperature","max":8}],"documents":[{"kind":"invoice"}]}`, status: 201}, fails: ask{body: `{"receiver":"shop"}`, status: 400}},
		{operation: "GET /api/v1/shipments/{id}", succeeds: ask{path: shipmentPath, status: 200}, fails: ask{path: "/api/v1/shipments/urn:example:none", status: 404}},
		{operation: "GET /api/v1/shipments/{id}/conditions", succeeds: ask{path: shipmentPath + "/conditions", status: 200}, also: []ask{{path: shipmentPath + "/conditions?nextPageToken=temperature/haul/urn:example:logger:1", status: 200}}, fails: ask{path: shipmentPath + "/conditions?nextPageToken=x", status: 400}},
		{operation: "GET /api/v1/shipments/{id}/trail", succeeds: ask{path: shipmentPath + "/trail", status: 200}, fails: ask{path: shipmentPath + "/trail?perPage=x", status: 400}},
		{operation: "GET /api/v1/shipments/{id}/handovers", succeeds: ask{path: shipmentPath + "/handovers", status: 200}, fails: ask{path: "/api/v1/shipments/urn:example:none/handovers", status: 404}},
		{operation: "POST /api/v1/shipments/{id}/handovers", succeeds: ask{path: shipmentPath + "/handovers", body: `{"to":"haul","until":"2026-06-01T00:00:00Z"}`, status: 201}, fails: ask{path: shipmentPath + "/handovers", body: `{}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/documents", succeeds: ask{path: shipmentPath + "/documents", body: `{"documents":[{"kind":"invoice","document":"` + strings.Repeat("ab", 32) + `"}]}`, status: 201}, fails: ask{path: shipmentPath + "/documents", body: `{"documents":[{"kind":"invoice"}]}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/return", succeeds: ask{path: shipmentPath + "/return", status: 201}, fails: ask{path: shipmentPath + "/return", body: `{"to":"haul"}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/handovers/{handover}/accept", succeeds: ask{path: shipmentPath + "/handovers/1/accept", body: `{"discrepancies":[{"id":"urn:epc:id:sgtin:9521234.054321.1001","what":"damaged"}]}`, status: 201}, fails: ask{path: shipmentPath + "/handovers/0/accept", status: 404}},
		{operation: "POST /api/v1/shipments/{id}/handovers/{handover}/dispute", succeeds: ask{path: shipmentPath + "/handovers/1/dispute", body: `{"evidence":[{"event":"urn:example:event:1"}]}`, status: 201}, fails: ask{path: shipmentPath + "/handovers/x/dispute", status: 400}},
		{operation: "POST /api/v1/shipments/{id}/handovers/{handover}/evidence", succeeds: ask{path: shipmentPath + "/handovers/1/evidence", body: `{"evidence":[{"event":"urn:example:event:1"}]}`, status: 201}, fails: ask{path: shipmentPath + "/handovers/1/evidence", body: `{}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/handovers/{handover}/resolve", succeeds: ask{path: shipmentPath + "/handovers/1/resolve", body: `{"outcome":"delivered"}`, status: 201}, fails: ask{path: shipmentPath + "/handovers/1/resolve", body: `{"outcome":"war"}`, status: 400}},
		{operation: "POST /api/v1/exceptions/{height}/{position}/{index}/settle", succeeds: ask{path: "/api/v1/exceptions/2/0/0/settle", status: 201}, fails: ask{path: "/api/v1/exceptions/x/0/1/settle", status: 400}},
		{operation: "POST /api/v1/shipments/{id}/dispatch", succeeds: ask{path: shipmentPath + "/dispatch", status: 201}, fails: ask{path: shipmentPath + "/dispatch", body: `{"handover":1}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/close", succeeds: ask{path: shipmentPath + "/close", status: 201}, fails: ask{path: shipmentPath + "/close", body: `{"handover":1}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/cancel", succeeds: ask{path: shipmentPath + "/cancel", status: 201}, fails: ask{path: shipmentPath + "/cancel", body: `{"handover":1}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/hold", succeeds: ask{path: shipmentPath + "/hold", status: 201}, fails: ask{path: shipmentPath + "/hold", body: `{"handover":1}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/unhold", succeeds: ask{path: shipmentPath + "/unhold", status: 201}, fails: ask{path: shipmentPath + "/unhold", body: `{"handover":1}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/handovers/{handover}/reject", succeeds: ask{path: shipmentPath + "/handovers/1/reject", body: `{"reason":"late"}`, status: 201}, fails: ask{path: shipmentPath + "/handovers/1/reject", body: `{"handover":1}`, status: 400}},
		{operation: "POST /api/v1/shipments/{id}/handovers/{handover}/cancel", succeeds: ask{path: shipmentPath + "/handovers/1/cancel", body: `{"reason":"late"}`, status: 201}, fails: ask{path: shipmentPath + "/handovers/1/cancel", body: `{"handover":1}`, status: 400}},
		{operation: "GET /api/v1/recalls", succeeds: ask{status: 200}, fails: ask{path: "/api/v1/recalls?nextPageToken=x", status: 400}},
		{operation: "POST /api/v1/recalls", succeeds: ask{body: `{"recall":"listeria","instruction":"stop","items":["urn:epc:id:sgtin:9521234.054321.1001"]}`, status: 201}, fails: ask{body: `{"recall":"listeria"}`, status: 400}},
		{operation: "GET /api/v1/recalls/{issuer}/{recall}", succeeds: ask{path: "/api/v1/recalls/acme-farms/listeria", status: 200}, fails: ask{path: "/api/v1/recalls/acme-farms/none", status: 404}},
		{operation: "POST /api/v1/recalls/{issuer}/{recall}/acknowledgements", succeeds: ask{path: "/api/v1/recalls/acme-farms/listeria/acknowledgements", body: `{"held":[{"id":"urn:epc:class:lgtin:9521234.054321.L1","quantity":1,"uom":"KGM","state":"sold"}],"done":true}`, status: 201},
			fails: ask{path: "/api/v1/recalls/acme-farms/listeria/acknowledgements", body: `{"done":false}`, status: 400}},
		{operation: "POST /api/v1/recalls/{issuer}/{recall}/items", succeeds: ask{path: "/api/v1/recalls/acme-farms/listeria/items", body: `{"lots":["urn:epc:class:lgtin:9521234.054321.L1"]}`, status: 201}, fails: ask{path: "/api/v1/recalls/mill/listeria/items", body: `{}`, status: 404}},
		{operation: "POST /api/v1/recalls/{issuer}/{recall}/close", succeeds: ask{path: "/api/v1/recalls/acme-farms/listeria/close", body: `{}`, status: 201}, fails: ask{path: "/api/v1/recalls/mill/listeria/close", body: `{}`, status: 404}},
		{operation: "GET /api/v1/erasures", succeeds: ask{path: "/api/v1/erasures?eventID=erased", status: 200}, fails: ask{path: "/api/v1/erasures?eventID=none", status: 404}},
		{operation: "POST /api/v1/erasures", succeeds: ask{body: `{"order":"hold","eventID":"urn:uuid:1","reason":"a dispute"}`, status: 201}, fails: ask{body: `{"order":"burn","eventID":"urn:uuid:1"}`, status: 400}},
		{operation: "POST /api/v1/transactions", succeeds: ask{path: "/api/v1/transactions", body: "{signed}", headers: binary(), status: 201}, fails: ask{body: "x", headers: binary(), status: 400}},
		{operation: "GET /api/v1/transactions/{hash}", succeeds: ask{path: "/api/v1/transactions/{transaction}", status: 200}, fails: ask{path: "/api/v1/transactions/" + strings.Repeat("0", 64), status: 404}},
		{operation: "GET /api/v1/network", succeeds: ask{status: 200}, fails: ask{headers: other, status: 406}},
		{operation: "GET /api/v1/partners", succeeds: ask{status: 200}, fails: ask{headers: other, status: 406}},
		{operation: "GET /api/v1/partners/{id}/holdings", succeeds: ask{path: "/api/v1/partners/acme-farms/holdings?perPage=1", status: 200}, fails: ask{path: "/api/v1/partners/acme-farms/holdings?nextPageToken=!", status: 400}},
		{operation: "GET /api/v1/partners/{id}/keys", succeeds: ask{path: "/api/v1/partners/acme-farms/keys", status: 200}, fails: ask{path: "/api/v1/partners/nobody/keys", status: 404}},
		{operation: "POST /api/v1/guests", succeeds: ask{body: `{"partner":"newcomer"}`, status: 201}, fails: ask{body: `{"partner":"acme-farms"}`, status: 400}, also: []ask{{body: `{"partner":"newcomer"}`, path: "/api/v1/guests?dryRun=true", status: 200}}},
		{operation: "DELETE /api/v1/guests/{id}", succeeds: ask{path: "/api/v1/guests/{guest}", status: 204}, fails: ask{path: "/api/v1/guests/none", status: 404}},
		{operation: "POST /api/v1/keys", succeeds: ask{body: `{"public":"` + strings.Repeat("7b", 32) + `","roles":["capture","device"],"held":"client","until":9000}`, status: 201}, fails: ask{body: `{"roles":["king"]}`, status: 400}},
		{operation: "POST /api/v1/keys/threshold", succeeds: ask{body: `{"threshold":1}`, status: 201}, fails: ask{body: `{"threshold":33}`, status: 400}},
		{operation: "POST /api/v1/keys/{key}/revoke", succeeds: ask{path: "/api/v1/keys/gateway/revoke", body: `{"reason":"leaked"}`, status: 201}, fails: ask{path: "/api/v1/keys/gateway/revoke", body: `{"key":"other"}`, status: 400}},
		{operation: "POST /api/v1/keys/changes/{change}/approve", succeeds: ask{path: "/api/v1/keys/changes/0123456789abcdef/approve", status: 201}, fails: ask{path: "/api/v1/keys/changes/0123456789abcdef/approve", body: `[]`, status: 400}},
		{operation: "GET /api/v1/partners/{id}", succeeds: ask{path: "/api/v1/partners/acme-farms", status: 200}, fails: ask{path: "/api/v1/partners/nobody", status: 404}},
		{operation: "GET /api/v1/prefixes", succeeds: ask{status: 200}, fails: ask{headers: other, status: 406}},
		{operation: "GET /api/v1/proposals", succeeds: ask{path: "/api/v1/proposals?perPage=1", status: 200}, fails: ask{path: "/api/v1/proposals?nextPageToken=x", status: 400}},
		{operation: "GET /api/v1/proposals/{proposal}", succeeds: ask{path: "/api/v1/proposals/3-0-0", status: 200}, fails: ask{path: "/api/v1/proposals/9-9-9", status: 404}},
		{operation: "POST /api/v1/proposals", succeeds: ask{body: `{"kind":"suspend","partner":"borg-foods","reason":"silent"}`, status: 201}, fails: ask{body: `{"kind":"suspend"}`, status: 400}, also: []ask{
			{path: "/api/v1/proposals?dryRun=true", body: `{"kind":"remove","partner":"borg-foods"}`, status: 200},
			{body: `{"kind":"parameters","parameters":{"custody":"strict","retention":[{"name":"short","maxSeconds":60}]}}`, status: 201}}},
		{operation: "POST /api/v1/proposals/{proposal}/votes", succeeds: ask{path: "/api/v1/proposals/3-0-0/votes", body: `{"approve":true}`, status: 201}, fails: ask{path: "/api/v1/proposals/3-0-0/votes", body: `{"approve":false}`, status: 400}},
		{operation: "POST /api/v1/proposals/{proposal}/withdraw", succeeds: ask{path: "/api/v1/proposals/3-0-0/withdraw", body: `{"reason":"done"}`, status: 201}, fails: ask{path: "/api/v1/proposals/3-0-0/withdraw", body: `{"veto":true}`, status: 400}},
		{operation: "GET /api/v1/stream", succeeds: ask{path: "/api/v1/stream?after=0-0-0&type=event.*&follow=false", status: 200}, fails: ask{path: "/api/v1/stream?after=x&follow=false", status: 400}},
		{operation: "GET /api/v1/trust", succeeds: ask{status: 200}, fails: ask{headers: other, status: 406}},
		{operation: "GET /api/v1/headers/{height}", succeeds: ask{path: "/api/v1/headers/latest", status: 200}, fails: ask{path: "/api/v1/headers/0", status: 400}},
		{operation: "GET /api/v1/checkpoint", succeeds: ask{status: 200}, fails: ask{path: "/api/v1/checkpoint?x=1", status: 400}},
		{operation: "GET /api/v1/checkpoint/growth", succeeds: ask{path: "/api/v1/checkpoint/growth?from=1&to=2", status: 200}, fails: ask{path: "/api/v1/checkpoint/growth?from=2&to=1", status: 400}},
		{operation: "GET /api/v1/checkpoint/anchors/{index}", succeeds: ask{path: "/api/v1/checkpoint/anchors/0?size=3", status: 200}, fails: ask{path: "/api/v1/checkpoint/anchors/3?size=3", status: 400}},
		{operation: "GET /api/v1/checkpoint/carrying/{height}", succeeds: ask{path: "/api/v1/checkpoint/carrying/1?size=3", status: 200}, fails: ask{path: "/api/v1/checkpoint/carrying/0?size=3", status: 400}},
		{operation: "GET /api/v1/public", succeeds: ask{path: "/api/v1/public?perPage=1", status: 200}, fails: ask{path: "/api/v1/public?perPage=0", status: 400}},
		{operation: "GET /api/v1/public/{id}", succeeds: ask{path: publicPath(itemURN), status: 200}, fails: ask{path: publicPath("9521234"), status: 404}},
		{operation: "PUT /api/v1/public/{id}", succeeds: ask{path: publicPath("9521234"), body: `{"show":["type"],"custody":true}`, status: 201}, fails: ask{path: publicPath("9521234"), body: `{"title":1}`, status: 400}},
		{operation: "DELETE /api/v1/public/{id}", succeeds: ask{path: publicPath(itemURN), status: 204}, fails: ask{path: publicPath("9521234"), status: 404}},
		{operation: "GET /.well-known/gs1resolver", succeeds: ask{status: 200}},
		{operation: "GET /{ai}/{key}", succeeds: ask{path: "/01/09521234543213?linkType=linkset", headers: []string{"Authorization", ""}, status: 200}, fails: ask{path: "/01/09521234543214", status: 400}},
		{operation: "GET /{ai}/{key}/{q1}/{v1}", succeeds: ask{path: itemPath + "?linkType=gs1:pip", headers: []string{"Authorization", ""}, status: 307}, fails: ask{path: "/01/09521234543213/21/404", headers: []string{"Authorization", ""}, status: 404}},
		{operation: "GET /{ai}/{key}/{q1}/{v1}/{q2}/{v2}", succeeds: ask{path: "/01/09521234543213/10/L/21/1", headers: []string{"Authorization", ""}, status: 200}, fails: ask{path: "/01/09521234543213/21/1/10/L", status: 400}},
		{operation: "GET /{ai}/{key}/{q1}/{v1}/{q2}/{v2}/{q3}/{v3}", succeeds: ask{path: "/01/09521234543213/22/V/10/L/21/1", status: 200}, fails: ask{path: "/01/09521234543213/22/V/10/L/21/1", headers: other, status: 406}},
		{operation: "GET /livez", succeeds: ask{status: 200}},
		{operation: "GET /readyz", succeeds: ask{status: 200}},
		{operation: "GET /metrics", succeeds: ask{status: 200}},
		{operation: "GET /openapi.json", succeeds: ask{status: 200}},
		{operation: "GET /docs", succeeds: ask{status: 200}},
		{operation: "GET /", succeeds: ask{status: 200}},
		{operation: "GET /epcis/v2/capture/{captureID}", succeeds: ask{path: "/epcis/v2/capture/{job}", status: 200}, fails: ask{path: "/epcis/v2/capture/none", status: 404}},
	}
	list = append(list,
		exchange{operation: "POST /epcis/v2/queries", succeeds: ask{body: `{"name":"packed","query":{"eventType":["ObjectEvent"],"EQ_bizStep":["packing"]}}`, status: 201}, fails: ask{body: `{"name":"stored","query":{"EQ_nonsense":1}}`, status: 400}},
		exchange{operation: "GET /epcis/v2/queries", succeeds: ask{path: "/epcis/v2/queries?perPage=1", status: 200}, fails: ask{path: "/epcis/v2/queries?perPage=0", status: 400}},
		exchange{operation: "GET /epcis/v2/queries/{queryName}", succeeds: ask{path: "/epcis/v2/queries/stored", status: 200}, fails: ask{path: "/epcis/v2/queries/none", status: 404}},
		exchange{operation: "DELETE /epcis/v2/queries/{queryName}", succeeds: ask{path: "/epcis/v2/queries/stored", status: 204}, fails: ask{path: "/epcis/v2/queries/none", status: 404}},
		exchange{operation: "GET /epcis/v2/queries/{queryName}/events", succeeds: ask{path: "/epcis/v2/queries/stored/events?perPage=1", status: 200}, fails: ask{path: "/epcis/v2/queries/none/events", status: 404}})
	list = append(list, exchange{operation: "DELETE /epcis/v2/nextPageToken/{token}", succeeds: ask{path: "/epcis/v2/nextPageToken/{token}", status: 204}, fails: ask{path: "/epcis/v2/nextPageToken/none", status: 404}},
		exchange{operation: "OPTIONS /epcis/v2/nextPageToken/{token}", succeeds: ask{path: "/epcis/v2/nextPageToken/x", status: 204}})
	const subscriptions = "/epcis/v2/queries/{queryName}/subscriptions"
	list = append(list,
		exchange{operation: "POST " + subscriptions, succeeds: ask{path: "/epcis/v2/queries/stored/subscriptions", body: `{"dest":"https://example.invalid/x","stream":true,"signatureToken":"t"}`, status: 201},
			fails: ask{path: "/epcis/v2/queries/stored/subscriptions", body: `{"dest":"https://example.invalid/x"}`, status: 400},
			also:  []ask{{path: "/epcis/v2/queries/stored/subscriptions?dryRun=true", body: `{"dest":"https://example.invalid/x","schedule":{"minute":"5"},"reportIfEmpty":true}`, status: 200}}},
		exchange{operation: "GET " + subscriptions, succeeds: ask{path: "/epcis/v2/queries/stored/subscriptions?perPage=1", status: 200}, fails: ask{path: "/epcis/v2/queries/none/subscriptions", status: 404}},
		exchange{operation: "GET " + subscriptions + "/{subscriptionID}", succeeds: ask{path: "/epcis/v2/queries/stored/subscriptions/{subscription}", status: 200}, fails: ask{path: "/epcis/v2/queries/stored/subscriptions/none", status: 404}},
		exchange{operation: "DELETE " + subscriptions + "/{subscriptionID}", succeeds: ask{path: "/epcis/v2/queries/stored/subscriptions/{subscription}", status: 204}, fails: ask{path: "/epcis/v2/queries/stored/subscriptions/none", status: 404}},
		exchange{operation: "POST /api/v1/subscriptions/{subscriptionID}/replay", succeeds: ask{path: "/api/v1/subscriptions/{subscription}/replay", body: `{"recordTime":"2026-05-01T00:00:00Z"}`, status: 200}, fails: ask{path: "/api/v1/subscriptions/{subscription}/replay", body: `{"recordTime":"2026"}`, status: 400}},
		exchange{operation: "OPTIONS " + subscriptions, succeeds: ask{path: "/epcis/v2/queries/x/subscriptions", status: 204}},
		exchange{operation: "OPTIONS " + subscriptions + "/{subscriptionID}", succeeds: ask{path: "/epcis/v2/queries/x/subscriptions/y", status: 204}})
	const hook = "/api/v1/webhooks/{webhook}"
	list = append(list,
		exchange{operation: "POST /api/v1/webhooks", succeeds: ask{body: `{"url":"https://example.invalid/x"}`, status: 201}, fails: ask{body: `{"url":"nowhere"}`, status: 400},
			also: []ask{{path: "/api/v1/webhooks?dryRun=true", body: `{"url":"https://example.invalid/x","types":["shipment.*","handover.*"],"partner":"mill","subject":"mill/listeria","after":"0-0-0","batch":100,"secret":"whsec_` + strings.Repeat("c2VjcmV0", 4) + `"}`, status: 200}}},
		exchange{operation: "GET /api/v1/webhooks", succeeds: ask{path: "/api/v1/webhooks?perPage=1", status: 200}, fails: ask{path: "/api/v1/webhooks?perPage=0", status: 400}},
		exchange{operation: "GET " + hook, succeeds: ask{path: hook, status: 200}, fails: ask{path: "/api/v1/webhooks/none", status: 404}},
		exchange{operation: "DELETE " + hook, succeeds: ask{path: hook, status: 204}, fails: ask{path: "/api/v1/webhooks/none", status: 404}},
		exchange{operation: "POST " + hook + "/replay", succeeds: ask{path: hook + "/replay", body: `{"height":1}`, status: 200}, fails: ask{path: hook + "/replay", body: `{}`, status: 400}},
		exchange{operation: "POST " + hook + "/pause", succeeds: ask{path: hook + "/pause", status: 200}, fails: ask{path: hook + "/pause", body: `{"why":1}`, status: 400}},
		exchange{operation: "POST " + hook + "/secret", succeeds: ask{path: hook + "/secret", body: `{"keepSeconds":60}`, status: 200}, fails: ask{path: hook + "/secret", body: `{"keepSeconds":-1}`, status: 400}},
		exchange{operation: "POST " + hook + "/resume", succeeds: ask{path: hook + "/resume", body: "{}", status: 200}, fails: ask{path: "/api/v1/webhooks/none/resume", status: 404}})
	for name, value := range map[string]string{"eventTypes/{eventType}": "ObjectEvent", "epcs/{epc}": url.PathEscape(itemURN), "bizSteps/{bizStep}": "shipping",
		"bizLocations/{bizLocation}": url.PathEscape(placeURN), "readPoints/{readPoint}": url.PathEscape(placeURN), "dispositions/{disposition}": "active"} {
		all, segment, _ := strings.Cut(name, "/")
		path := "/epcis/v2/" + all
		list = append(list,
			exchange{operation: "GET " + path, succeeds: ask{path: path + "?perPage=1", status: 200}, fails: ask{path: path + "?perPage=0", status: 400}},
			exchange{operation: "GET " + path + "/" + segment, succeeds: ask{path: path + "/" + value, status: 200}, fails: ask{path: path + "/none", status: 404}},
			exchange{operation: "GET " + path + "/" + segment + "/events", succeeds: ask{path: path + "/" + value + "/events?perPage=1", status: 200}, fails: ask{path: path + "/" + value + "/events?EQ_nonsense=1", status: 400}},
			exchange{operation: "OPTIONS " + path, succeeds: ask{status: 204}},
			exchange{operation: "OPTIONS " + path + "/" + segment, succeeds: ask{path: path + "/" + value, status: 204}},
			exchange{operation: "OPTIONS " + path + "/" + segment + "/events", succeeds: ask{path: path + "/" + value + "/events", status: 204}})
	}
	for operation, path := range map[string]string{"/epcis/v2/": "", "/epcis/v2/queries": "", "/epcis/v2/queries/{queryName}": "/epcis/v2/queries/x", "/epcis/v2/queries/{queryName}/events": "/epcis/v2/queries/x/events", "/epcis/v2/events": "", "/epcis/v2/events/{eventID}": "/epcis/v2/events/x", "/epcis/v2/capture": "",
		"/epcis/v2/capture/{captureID}": "/epcis/v2/capture/x", "/{ai}/{key}": "/01/1", "/{ai}/{key}/{q1}/{v1}": "/01/1/21/1",
		"/{ai}/{key}/{q1}/{v1}/{q2}/{v2}": "/01/1/10/1/21/1", "/{ai}/{key}/{q1}/{v1}/{q2}/{v2}/{q3}/{v3}": "/01/1/22/1/10/1/21/1"} {
		list = append(list, exchange{operation: "OPTIONS " + operation, succeeds: ask{path: path, status: 204}})
	}
	return list
}

// readReply reads an answer to its end.
func readReply(t *testing.T, res *http.Response) reply {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, body}
}
