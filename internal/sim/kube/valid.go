package kube

import (
	"encoding/json"
	"strings"

	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	openapierrors "k8s.io/kube-openapi/pkg/validation/errors"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

// validator checks custom objects by the schema of their definition, with the code that the API server uses. Rules in CEL are not evaluated.
type validator struct{ schema *validate.SchemaValidator }

func newValidator(shape *structural.Structural) validator {
	return validator{validate.NewSchemaValidator(shape.ToKubeOpenAPI(), nil, "", strfmt.Default)}
}

func (v validator) check(content map[string]any) field.ErrorList {
	result := v.schema.Validate(content)
	if result.IsValid() {
		return nil
	}
	var errs field.ErrorList
	for _, err := range result.Errors {
		if e, ok := err.(*openapierrors.Validation); ok { //nolint:errorlint // the validator returns it so
			errs = append(errs, fieldError(e))
		} else {
			errs = append(errs, field.Invalid(nil, "", err.Error()))
		}
	}
	return errs
}

// hasRules reports whether a schema has rules in CEL.
func hasRules(s *structural.Structural) bool {
	if s == nil || len(s.XValidations) > 0 {
		return s != nil
	}
	for name := range s.Properties {
		p := s.Properties[name]
		if hasRules(&p) {
			return true
		}
	}
	return hasRules(s.Items) || s.AdditionalProperties != nil && hasRules(s.AdditionalProperties.Structural)
}

// blocks reports whether after an error no rule is looked at.
func blocks(e *field.Error) bool {
	switch e.Type {
	case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
		return true
	default:
		return false
	}
}

// fieldError words what the validator found as the API server does.
func fieldError(e *openapierrors.Validation) *field.Error {
	var at *field.Path
	if name := strings.TrimPrefix(e.Name, "."); name != "" {
		at = field.NewPath(name)
	}
	value := e.Value
	if value == nil {
		value = ""
	}
	switch e.Code() {
	case openapierrors.RequiredFailCode:
		return field.Required(at, "")
	case openapierrors.EnumFailCode:
		var allowed []string
		for _, a := range e.Values {
			if s, ok := a.(string); ok {
				allowed = append(allowed, s)
			} else if data, err := json.Marshal(a); err == nil {
				allowed = append(allowed, string(data))
			}
		}
		return field.NotSupported(at, e.Value, allowed)
	case openapierrors.TooLongFailCode:
		return field.TooLong(at, "", number(e.Valid))
	case openapierrors.MaxItemsFailCode, openapierrors.TooManyPropertiesCode:
		return field.TooMany(at, number(e.Value), number(e.Valid))
	case openapierrors.InvalidTypeCode:
		return field.TypeInvalid(at, value, e.Error())
	}
	return field.Invalid(at, value, e.Error())
}

func number(v any) int {
	if n, ok := v.(int64); ok {
		return int(n)
	}
	return -1
}
