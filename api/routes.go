package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/api/sheet"
	"github.com/waybill-ledger/waybill/schemas"
)

// routes is everything that the gateway answers.
func (g *Gateway) routes() (http.Handler, error) {
	m := chi.NewRouter()
	m.Use(g.observe, g.target, middleware.GetHead)
	m.NotFound(func(w http.ResponseWriter, r *http.Request) {
		detail := "no such resource: " + clip(r.URL.Path)
		if strings.Contains(r.URL.RawPath, "/items/http") {
			detail = "percent-encode the identifier in the path, its slashes as %2F: " + clip(r.URL.Path)
		}
		g.fail(w, r, fault(schemas.NotFound, detail))
	})
	m.MethodNotAllowed(g.methodNotAllowed(m))
	m.Group(func(open chi.Router) {
		open.Get("/livez", g.getLive)
		open.Get("/readyz", g.getReady)
		open.Get("/openapi.json", g.getOpenAPI)
		open.Get("/docs", g.getDocs)
		open.Get("/", g.getIndex)
		open.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(g.cfg.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	})
	m.Route(epcisRoot, g.epcisRoutes)
	m.Route("/api/v1", g.nativeRoutes)
	m.Group(g.resolverRoutes)
	return m, nil
}

func (g *Gateway) epcisRoutes(m chi.Router) {
	m.MethodNotAllowed(g.methodNotAllowed(m))
	m.Use(g.standard, g.telling)
	m.Options("/", g.discover("GET, HEAD, OPTIONS"))
	m.Options("/events", g.discover("GET, HEAD, POST, OPTIONS"))
	m.Options("/events/{eventID}", g.discover("GET, HEAD, OPTIONS"))
	m.Options("/capture", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(errorBehaviour, "all") // which is both, in the words of the standard
		g.discover("GET, HEAD, POST, OPTIONS")(w, r)
	})
	m.Options("/capture/{captureID}", g.discover("GET, HEAD, OPTIONS"))
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Capture), g.accepting(epcisTypes...), g.sending(epcisTypes...))
		m.Post("/events", g.postEvent)
		m.Post("/capture", g.postCapture)
	})
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Capture), g.reading)
		m.With(g.accepting(epcisTypes...)).Get("/capture", g.listJobs)
		m.With(g.accepting(epcisTypes...)).Get("/capture/{captureID}", g.getJob)
	})
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Query), g.reading, g.tabular, g.accepting(epcisTypes...))
		m.Get("/events", g.getEvents)
		m.Get("/events/{eventID}", g.getEvent)
	})
	g.queryRoutes(m)
	g.tokenRoutes(m)
}

func (g *Gateway) nativeRoutes(m chi.Router) {
	m.MethodNotAllowed(g.methodNotAllowed(m))
	m.Use(g.telling)
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Query), g.accepting(typeJSON), g.reading)
		m.Get("/items/{id}", g.getItem)
		m.Get("/items/{id}/trail", g.getTrail)
		m.Get("/items/{id}/trace", g.getTrace)
		m.Get("/exceptions", g.getExceptions)
		m.Get("/erasures", g.getErasure)
		m.Get("/transactions/{hash}", g.getTransaction)
		m.Get("/network", g.getNetwork)
		m.Get("/partners", g.getPartners)
		m.Get("/masterdata", g.getMasterData)
	})
	g.governRoutes(m)
	m.With(g.allow(local.Query), g.accepting(typeStream)).Get("/stream", g.getStream)
	g.webhookRoutes(m)
	m.With(g.allow(local.Query), g.accepting(typeJSON, sheet.TypeCSV, sheet.TypeXLSX), g.reading).Get("/fsma204", g.getFSMA)
	m.With(g.allow(local.Capture), g.accepting(typeJSON), g.sending(typeForm)).Post("/imports", g.postImport)
	m.With(g.accepting(typeJSON)).Get("/trust", g.getTrust) // open: an auditor has no key
	m.Group(func(open chi.Router) {                         // witnesses have no key, either
		open.Use(g.accepting(typeJSON), g.waiting(g.proofs), g.reading) // making these may read much, so that few do at once
		open.Get("/headers/{height}", g.getHeader)
		open.Get("/checkpoint", g.getCheckpoint)
		open.Get("/checkpoint/growth", g.getGrowth)
		open.Get("/checkpoint/anchors/{index}", g.getAnchor)
		open.Get("/checkpoint/carrying/{height}", g.getCarrying)
	})
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Query), g.accepting(typeBundle, typeBinary, typeJSON), g.reading)
		m.Get("/items/{id}/bundle", g.getItemBundle)
		m.Get("/lots/{id}/bundle", g.getLotBundle)
		m.Get("/partners/{id}/bundle", g.getPartnerBundle)
		m.Get("/shipments/{id}/bundle", g.getShipmentBundle)
	})
	m.With(g.allow(local.Query), g.accepting(typeBundle, typeBinary, typeJSON), g.sending(typeBundle, typeBinary), g.reading).Post("/bundles", g.postBundle)
	m.With(g.allow(local.Capture), g.accepting(typeJSON), g.sending(typeTransaction, typeBinary)).Post("/transactions", g.postTransaction)
	m.With(g.allow(local.Admin), g.accepting(typeJSON), g.sending(typeJSON)).Post("/erasures", g.postErasure)
	m.With(g.allow(local.Query), g.accepting(typeJSON), g.sending(typeJSON)).Post("/subscriptions/{subscriptionID}/replay", g.postReplay)
	g.recallRoutes(m)
	g.shipmentRoutes(m)
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Admin), g.accepting(typeJSON))
		m.With(g.reading).Get("/public", g.listPublications)
		m.With(g.reading).Get("/public/{id}", g.getPublication)
		m.With(g.sending(typeJSON)).Put("/public/{id}", g.putPublication)
		m.Delete("/public/{id}", g.deletePublication)
	})
	g.keyRoutes(m)
	g.guestRoutes(m)
}

// methodNotAllowed answers with the methods that the resource has in its router.
func (g *Gateway) methodNotAllowed(m chi.Router) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.RawPath
		if c := chi.RouteContext(r.Context()); c.RoutePath != "" { // what is left of it in a router inside another
			path = c.RoutePath
		}
		var allow []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			if m.Match(chi.NewRouteContext(), method, path) {
				if allow = append(allow, method); method == http.MethodGet {
					allow = append(allow, http.MethodHead)
				}
			}
		}
		if strings.TrimSuffix(r.URL.RawPath, "/") == epcisRoot { // a mount, which takes every method
			allow = []string{http.MethodGet, http.MethodHead, http.MethodOptions}
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		g.fail(w, r, fault(schemas.MethodNotAllowed, fmt.Sprintf("%s is not done here", clip(r.Method))))
	}
}
