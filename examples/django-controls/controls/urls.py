"""One page with its style, and the address to which its form is sent."""

from django.urls import path
from django.views.generic import TemplateView

from . import views

urlpatterns = [
    path("", views.show, name="show"),
    path("commands", views.send, name="send"),
    path("style.css", TemplateView.as_view(template_name="controls/style.css", content_type="text/css"), name="style"),
]
