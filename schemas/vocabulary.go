package schemas

import "strings"

// vocabulary is one list of the Core Business Vocabulary 2.0, and how its terms
// are written as URIs.
type vocabulary struct {
	what  string // as a message names it
	urn   string // what precedes a word in its URN
	web   string // what precedes a word behind a namespace of cbvSpaces or gs1Spaces
	words map[string]struct{}
}

// Namespaces of vocabulary terms as web URIs.
var cbvSpaces = [...]string{"https://ref.gs1.org/cbv/", "https://ns.gs1.org/cbv/"}

const (
	cbvURN   = "urn:epcglobal:cbv:"
	gs1Space = "https://gs1.org/voc/"
)

// gs1Spaces are those of GS1's web vocabulary: that of the context of EPCIS 2.0.0,
// and where it is published since.
var gs1Spaces = [...]string{gs1Space, webVoc}

// The lists. Maps are only read.
var (
	bizSteps = vocabulary{"business step", "bizstep:", "BizStep-", words(`
		accepting arriving assembling collecting commissioning consigning creating_class_instance cycle_counting
		decommissioning departing destroying disassembling dispensing encoding entering_exiting holding inspecting
		installing killing loading other packing picking receiving removing repackaging repairing replacing reserving
		retail_selling sampling sensor_reporting shipping staging_outbound stock_taking stocking storing transporting
		unloading unpacking void_shipping`)}
	dispositions = vocabulary{"disposition", "disp:", "Disp-", words(`
		active available completeness_inferred completeness_verified conformant container_closed container_open damaged
		destroyed dispensed disposed encoded expired in_progress in_transit inactive mismatch_class mismatch_instance
		mismatch_quantity needs_replacement no_pedigree_match non_conformant non_sellable_other partially_dispensed
		recalled reserved retail_sold returned sellable_accessible sellable_not_accessible stolen unavailable unknown`)}
	partyTypes       = vocabulary{"source or destination type", "sdt:", "SDT-", words(`location owning_party possessing_party`)}
	transactionTypes = vocabulary{"business transaction type", "btt:", "BTT-", words(`
		bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt`)}
	errorReasons = vocabulary{"error reason", "er:", "ER-", words(`did_not_occur incorrect_data`)}
	components   = vocabulary{"component", "comp:", "Comp-", words(`
		altitude axial_distance azimuth easting elevation_angle height latitude longitude northing
		polar_angle spherical_radius x y z`)}
	alerts       = vocabulary{"sensor alert", "", "SensorAlertType-", words(`ALARM_CONDITION ERROR_CONDITION`)}
	measurements = vocabulary{"measurement type", "", "MeasurementType-", words(`
		AbsoluteHumidity AbsorbedDose AbsorbedDoseRate Acceleration Altitude AmountOfSubstance
		AmountOfSubstancePerUnitVolume Angle AngularAcceleration AngularMomentum AngularVelocity Area Capacitance
		Conductance Conductivity Count Density Dimensionless DoseEquivalent DoseEquivalentRate DynamicViscosity
		EffectiveDose EffectiveDoseRate ElectricCharge ElectricCurrent ElectricCurrentDensity ElectricFieldStrength Energy
		Exposure Force Frequency Illuminance Inductance Irradiance KinematicViscosity Length LinearMomentum Luminance
		LuminousFlux LuminousIntensity MagneticFlux MagneticFluxDensity MagneticVectorPotential Mass MassConcentration
		MassFlowRate MassPerAreaTime MemoryCapacity MolalityOfSolute MolarEnergy MolarMass MolarVolume Power Pressure
		RadiantFlux RadiantIntensity Radioactivity RelativeHumidity Resistance Resistivity SolidAngle SpecificVolume Speed
		SurfaceDensity SurfaceTension Temperature Time Torque Voltage Volume VolumeFlowRate VolumeFraction VolumetricFlux
		Wavenumber`)}
)

func words(list string) map[string]struct{} {
	m := map[string]struct{}{}
	for _, w := range strings.Fields(list) {
		m[w] = struct{}{}
	}
	return m
}

// term brings any legal form of a term to the one that skeletons have: a bare
// word of the list, or the URI of a term that somebody else defined. What claims
// to be of the list and is not in it is refused. p resolves prefixes, and may be
// nil; strict refuses a prefix that nobody defines, because the term would mean
// one thing here and another elsewhere.
func (v *vocabulary) term(s string, p *prefixes, strict bool) (string, *Fault) {
	if strings.IndexByte(s, ':') < 0 {
		return v.word(s, s)
	}
	uri, defined := p.expand(s)
	switch {
	case !isURI(uri):
		return "", &Fault{Code: BadValue, Detail: "no word and no URI: " + quote(s)}
	case strict && !defined:
		return "", &Fault{Code: BadContext, Detail: "no inline @context defines the prefix of " + quote(s)}
	}
	if name, ok := strings.CutPrefix(uri, cbvURN); ok {
		name, ok = strings.CutPrefix(name, v.urn)
		if !ok || v.urn == "" {
			return "", v.unknown(s)
		}
		return v.word(name, s)
	}
	for _, space := range cbvSpaces {
		if name, ok := strings.CutPrefix(uri, space); ok {
			return v.inSpace(name, uri, s)
		}
	}
	if v.urn != "" {
		return uri, nil
	}
	for _, space := range gs1Spaces {
		name, ok := strings.CutPrefix(uri, space)
		if !ok {
			continue
		}
		if _, ok := v.words[name]; ok {
			return name, nil
		}
		if name, ok = strings.CutPrefix(name, v.web); ok {
			return v.word(name, s)
		}
	}
	return uri, nil
}

// inSpace is for a name in the vocabulary's own web namespace: with the list's
// prefix it must be in the list, with another list's it is misplaced.
func (v *vocabulary) inSpace(name, uri, s string) (string, *Fault) {
	if word, ok := strings.CutPrefix(name, v.web); ok {
		return v.word(word, s)
	}
	for _, other := range [...]*vocabulary{&bizSteps, &dispositions, &partyTypes, &transactionTypes, &errorReasons, &components} {
		if strings.HasPrefix(name, other.web) {
			return "", v.unknown(s)
		}
	}
	return uri, nil
}

func (v *vocabulary) word(w, s string) (string, *Fault) {
	if _, ok := v.words[w]; !ok {
		return "", v.unknown(s)
	}
	return w, nil
}

func (v *vocabulary) unknown(s string) *Fault {
	return &Fault{Code: UnknownVocabulary, Detail: "no " + v.what + " of the Core Business Vocabulary: " + quote(s)}
}

// BizStepTerm brings any legal form of a business step (bare word, URN, web URI)
// to the form that skeletons have.
func BizStepTerm(s string) (string, error) { return plainTerm(&bizSteps, s) }

// DispositionTerm brings any legal form of a disposition to the form that
// skeletons have.
func DispositionTerm(s string) (string, error) { return plainTerm(&dispositions, s) }

func plainTerm(v *vocabulary, s string) (string, error) {
	t, f := v.term(s, nil, false)
	if f != nil {
		return "", f
	}
	return t, nil
}

// quote shows an offending value, cut to a length that a message can bear.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		cut := most
		for cut > most-4 && s[cut]&0xc0 == 0x80 {
			cut--
		}
		s = s[:cut] + "..."
	}
	return string(appendQuoted(nil, s))
}

// maxURI bounds every URI that an event holds in a place of the standard.
const maxURI = MaxIdentifier

// isURI reports whether s has the form of a URI, or of an IRI.
func isURI(s string) bool { return checkURI(s) == noFlaw }
