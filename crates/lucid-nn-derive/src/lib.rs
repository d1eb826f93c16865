#![doc = include_str!("../README.md")]

use proc_macro::TokenStream;
use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream as Tokens};
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, GenericParam, LitStr, Member, Type, parse_macro_input,
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
        let name = LitStr::new(&name, Span::call_site());
        visits.push(quote! { #lucid::Module::<#element>::visit(&self.#member, &path.join(#name), visit); });
        trainings.push(quote! { #lucid::Module::<#element>::set_training(&mut self.#member, training); });
        children.push(field.ty.clone());
    }

    let ident = &input.ident;
    let mut generics = input.generics.clone();
    let parameters: Vec<_> = input.generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    let clause = generics.make_where_clause();
    if let Some(element) = parameters.first() {
        clause.predicates.push(syn::parse_quote! { #element: #lucid::Element });
    }
    // A field whose type is a parameter, or contains one, must be a module itself.
    if parameters.len() > 1 {
        for child in children {
            clause.predicates.push(syn::parse_quote! { #child: #lucid::Module<#element> });
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

/// The first type parameter, or what `#[module(element = ...)]` on the struct says, or `f32`.
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
    let parameter = input.generics.params.iter().find_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(parameter.ident.clone()),
        _ => None,
    });
    Ok(match (given, parameter) {
        (Some(given), _) => given,
        (None, Some(parameter)) => syn::parse_quote! { #parameter },
        (None, None) => syn::parse_quote! { f32 },
    })
}

fn field_options(attributes: &[Attribute]) -> Result<FieldOptions, Error> {
    let mut options = FieldOptions::default();
    for attribute in module_attributes(attributes) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                options.skip = true;
            } else if meta.path.is_ident("name") {
                options.name = Some(meta.value()?.parse::<LitStr>()?.value());
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
