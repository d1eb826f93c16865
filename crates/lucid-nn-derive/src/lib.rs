#![doc = include_str!("../README.md")]

use proc_macro::TokenStream;
use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream as Tokens, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, Ident, LitStr, Member, Type, TypeParamBound, WherePredicate,
    parse_macro_input,
};

/// Implements `lucid_nn::Module` field by field; see the documentation of the trait.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// What `#[module(...)]` says of a field.
#[derive(Default)]
struct FieldOptions {
    skip: bool,
    name: Option<String>,
}

fn expand(input: &DeriveInput) -> Result<Tokens, Error> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "Module can be derived for structs only"));
    };
    let element = element_type(input)?;
    let lucid = crate_path();
    let (mut visits, mut trainings, mut children) = (Vec::new(), Vec::new(), Vec::new());
    let mut names: Vec<String> = Vec::new();
    for (index, field) in fields(&data.fields).enumerate() {
        let options = field_options(&field.attrs)?;
        if options.skip {
            continue;
        }
        let member = field.ident.clone().map_or_else(|| Member::from(index), Member::Named);
        let name = options.name.unwrap_or_else(|| match &field.ident {
            Some(ident) => ident.to_string().trim_start_matches("r#").to_string(),
            None => index.to_string(),
        });
        // Of two parameters with one name, a file would keep one.
        if names.contains(&name) {
            let message = format!("another field is called {name:?} already: accepted are distinct names");
            return Err(Error::new_spanned(field, message));
        }
        // Where the field is, so that errors point at it; resolved like the rest of what is generated.
        let span = Span::call_site().located_at(field.ty.span());
        let literal = LitStr::new(&name, Span::call_site());
        names.push(name);
        visits.push(quote_spanned! { span=>
            #lucid::Module::<#element>::visit(&self.#member, &path.join(#literal), visit);
        });
        trainings.push(quote_spanned! { span=>
            #lucid::Module::<#element>::set_training(&mut self.#member, training);
        });
        children.push(field.ty.to_token_stream());
    }

    let ident = &input.ident;
    let mut generics = input.generics.clone();
    let element_tokens = element.to_token_stream().to_string();
    let clause = generics.make_where_clause();
    for parameter in input.generics.type_params().map(|parameter| &parameter.ident) {
        let is_part = children.iter().any(|child| mentions(child.clone(), parameter));
        if is_part && parameter != &element_tokens {
            clause.predicates.push(syn::parse_quote! { #parameter: #lucid::Module<#element> });
        }
    }
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #lucid::Module<#element> for #ident #type_generics #where_clause {
            fn visit(&self, path: &#lucid::Path, visit: &mut dyn FnMut(&#lucid::Path, &#lucid::Var<#element>)) {
                let _ = (path, &visit);
                #(#visits)*
            }

            fn set_training(&mut self, training: bool) {
                let _ = training;
                #(#trainings)*
            }
        }
    })
}

/// What the deriving crate calls `lucid-nn`, be it a dependency of its own or re-exported by the facade.
fn crate_path() -> Tokens {
    let named = |name: &str| {
        let ident = syn::Ident::new(name, Span::call_site());
        quote! { ::#ident }
    };
    match (crate_name("lucid-nn"), crate_name("lucid-rs")) {
        (Ok(FoundCrate::Name(name)), _) => named(&name),
        // The facade's package is lucid-rs, its library lucid.
        (Err(_), Ok(FoundCrate::Name(name))) if name != "lucid_rs" => named(&name),
        (Err(_), Ok(_)) => named("lucid"),
        _ => named("lucid_nn"),
    }
}

/// Whether `parameter` itself is somewhere in `tokens`: what belongs to it, `M::Layer`, is another type.
fn mentions(tokens: Tokens, parameter: &Ident) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match token {
            TokenTree::Group(group) => mentions(group.stream(), parameter),
            TokenTree::Ident(ident) => {
                let goes_on = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
                ident == *parameter && !goes_on
            }
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// What `#[module(element = ...)]` on the struct says, or the type parameter that is bounded by `Element`, or `f32`.
fn element_type(input: &DeriveInput) -> Result<Type, Error> {
    let mut given = None;
    for attribute in module_attributes(&input.attrs) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("element") {
                given = Some(meta.value()?.parse::<Type>()?);
                return Ok(());
            }
            Err(meta.error("accepted on a struct is element = TYPE"))
        })?;
    }
    if let Some(given) = given {
        return Ok(given);
    }
    let mut elements = input.generics.type_params().filter(|parameter| {
        let predicates = input.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
        let in_clause = predicates.filter_map(|predicate| match predicate {
            WherePredicate::Type(predicate) => Some(predicate),
            _ => None,
        });
        let in_clause = in_clause.filter(|predicate| {
            matches!(&predicate.bounded_ty, Type::Path(bounded) if bounded.path.is_ident(&parameter.ident))
        });
        let mut bounds = parameter.bounds.iter().chain(in_clause.flat_map(|predicate| &predicate.bounds));
        bounds.any(is_element)
    });
    match (elements.next(), elements.next()) {
        (Some(_), Some(second)) => {
            let message =
                "two type parameters are elements: #[module(element = TYPE)] on the struct says which one";
            Err(Error::new_spanned(second, message))
        }
        (Some(parameter), None) => {
            let ident = &parameter.ident;
            Ok(syn::parse_quote! { #ident })
        }
        (None, _) => Ok(syn::parse_quote! { f32 }),
    }
}

/// Whether a bound is a trait called `Element`, by whatever path.
fn is_element(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|segment| segment.ident == "Element")
        }
        _ => false,
    }
}

fn field_options(attributes: &[Attribute]) -> Result<FieldOptions, Error> {
    let mut options = FieldOptions::default();
    for attribute in module_attributes(attributes) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                options.skip = true;
            } else if meta.path.is_ident("name") {
                let name = meta.value()?.parse::<LitStr>()?;
                if name.value().is_empty() {
                    return Err(Error::new_spanned(
                        name,
                        "the name is empty: accepted is at least one character",
                    ));
                }
                options.name = Some(name.value());
            } else {
                return Err(meta.error("accepted on a field are skip and name = \"...\""));
            }
            Ok(())
        })?;
    }
    Ok(options)
}

fn module_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("module"))
}

fn fields(fields: &Fields) -> impl Iterator<Item = &syn::Field> {
    fields.iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(input: DeriveInput) -> String {
        expand(&input).expect_err("should be refused").to_string()
    }

    #[test]
    fn names_that_would_lose_parameters_are_refused() {
        let message = refusal(syn::parse_quote! {
            struct D { #[module(name = "w")] a: Var<f32>, w: Var<f32> }
        });
        assert!(message.contains("\"w\"") && message.contains("distinct"), "{message}");
        let message = refusal(syn::parse_quote! { struct D { #[module(name = "")] a: Var<f32> } });
        assert!(message.contains("empty"), "{message}");
        let skipped =
            syn::parse_quote! { struct D { #[module(skip)] a: u8, #[module(name = "a")] b: Var<f32> } };
        assert!(expand(&skipped).is_ok());
    }

    #[test]
    fn the_element_is_the_parameter_bounded_by_element() {
        let element = |input: DeriveInput| element_type(&input).map(|it| it.to_token_stream().to_string());
        for (input, expected) in [
            (syn::parse_quote! { struct G<M: Forward> { m: M } }, "f32"),
            (syn::parse_quote! { struct G<M, T: lucid_nn::Element> { m: M, w: Var<T> } }, "T"),
            (syn::parse_quote! { struct G<M, T> where T: Copy + Element { m: M, w: Var<T> } }, "T"),
            (syn::parse_quote! { #[module(element = f64)] struct G<M> { m: M } }, "f64"),
        ] {
            assert_eq!(element(input).expect("an element"), expected);
        }
        let message =
            refusal(syn::parse_quote! { struct G<T: Element, U: Element> { t: Var<T>, u: Var<U> } });
        assert!(message.contains("element = TYPE"), "{message}");
    }
}
