from contacts.app import SERVICE
from kith.service import main

main(SERVICE)
